# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_feishu_export_watcher_global_optspecs
    string join \n h/help V/version
end

function __fish_feishu_export_watcher_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_feishu_export_watcher_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_feishu_export_watcher_using_subcommand
    set -l cmd (__fish_feishu_export_watcher_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -s V -l version -d 'Print version'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "init" -d 'Write a first configuration'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "add" -d 'Add documents to the watch list, by their links'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "run" -d 'Watch: as a service, or until every ticket is done'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "check" -d 'Check configuration, watch list and secrets'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "status" -d 'Show what is known about every ticket'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "explain" -d 'Say what a job status, a code, an error.kind or the reason of a pause means, and what to do'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "retry" -d 'Have ended tickets polled, documents exported, or events sent to a hook, again'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "hook" -d 'Try a hook out'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "health" -d 'Ask a running watcher whether it is well, for probes'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand init" -l config -d 'The configuration file to write; left out: ./watcher.toml' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand init" -l platform -d 'Whose app it is: feishu for open.feishu.cn, lark for open.larksuite.com' -r -f -a "feishu\t'open.feishu.cn'
lark\t'open.larksuite.com'"
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand init" -l base-url -d 'Where the API answers, for a gateway of your own; plain http only to this machine' -r -f
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand init" -l app-id -d 'The app id that the developer console shows (cli_...)' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand init" -l secret-file -d 'The file that holds the app secret; it is copied' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand add" -l config -d 'The configuration file; left out: $FEISHU_EXPORT_WATCHER_CONFIG, else ./watcher.toml, else /etc/feishu-export-watcher/watcher.toml' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand add" -l format -d 'The format of the files; which one fits depends on the kind of document' -r -f -a "docx\t''
pdf\t''
xlsx\t''
csv\t''
pptx\t''
base\t''"
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand add" -l label -d 'A label for all of them, carried into log and state, and into names of files made with {label}' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand add" -l app -d 'The app that exports them; may be left out where there is one' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand add" -l sub-id -d 'The sheet or table, for csv alone; left out: the one that each link opens' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand add" -l to -d 'The watch list, also a new file that a pattern matches; left out: the one that the configuration names in full' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand add" -s h -l help -d 'Print help'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand run" -l config -d 'The configuration file; left out: $FEISHU_EXPORT_WATCHER_CONFIG, else ./watcher.toml, else /etc/feishu-export-watcher/watcher.toml' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand run" -l deadline -d 'End after this long, whatever is pending (such as 90s, 30m, 2h) [default: no deadline]' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand run" -l log-level -d 'off, error, warn, info, debug, trace, or tracing directives; wins over the configuration, whose default is info' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand run" -l until-done -d 'End when no ticket is pending and no file is to come, and say in the exit code how it went'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand run" -s h -l help -d 'Print help'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand check" -l config -d 'The configuration file; left out: $FEISHU_EXPORT_WATCHER_CONFIG, else ./watcher.toml, else /etc/feishu-export-watcher/watcher.toml' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand check" -l no-secrets -d 'Do not look at secrets: for a user who may not read them'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand check" -l online -d 'Also ask the API whether host, secret and scopes are right, and the documents may be exported'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand check" -s h -l help -d 'Print help'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand status" -l config -d 'The configuration file; left out: $FEISHU_EXPORT_WATCHER_CONFIG, else ./watcher.toml, else /etc/feishu-export-watcher/watcher.toml' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand status" -l state-file -d 'The state file itself, such as while the configuration is invalid, which is not read then' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand status" -l format -d 'How to print' -r -f -a "table\t'For people'
json\t'One JSON object'
jsonl\t'One JSON object a ticket'
csv\t'For spreadsheets'"
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand status" -l state -d 'Only tickets in these states, separated by commas' -r -f -a "pending\t''
completed\t''
failed\t''
timed_out\t''
removed\t''"
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand status" -l file -d 'Only tickets with a file in these states, separated by commas' -r -f -a "waiting\t''
saved\t''
failed\t''
expired\t''"
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand status" -l app -d 'Only tickets of these apps, separated by commas or given one by one' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand status" -l label -d 'Only tickets whose label holds this text, in upper or lower case. May be given several times' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand status" -l limit -d 'At most so many tickets, 0 for all. Without it, all but for the table on a terminal' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand explain" -l format -d 'How to print' -r -f -a "text\t'For people'
json\t'One JSON object'"
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand retry" -l config -d 'The configuration file; left out: $FEISHU_EXPORT_WATCHER_CONFIG, else ./watcher.toml, else /etc/feishu-export-watcher/watcher.toml' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand retry" -l state-file -d 'The state file itself, such as while the configuration is invalid, which is not read then' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand retry" -l kind -d 'Of those, only the ones with this error.kind, such as no_permission' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand retry" -l app -d 'Only those of this app' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand retry" -l hook -d 'Instead: the events that this hook has not taken' -r
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand retry" -l failed -d 'All tickets and documents that failed or timed out, or whose file could not be saved'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand retry" -l dry-run -d 'Say what would be done and change nothing'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand retry" -s h -l help -d 'Print help'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand hook; and not __fish_seen_subcommand_from test help" -s h -l help -d 'Print help'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand hook; and not __fish_seen_subcommand_from test help" -f -a "test" -d 'Send a sample event to a hook and show its answer'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand hook; and not __fish_seen_subcommand_from test help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand hook; and __fish_seen_subcommand_from test" -l config -d 'The configuration file; left out: $FEISHU_EXPORT_WATCHER_CONFIG, else ./watcher.toml, else /etc/feishu-export-watcher/watcher.toml' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand hook; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand hook; and __fish_seen_subcommand_from help" -f -a "test" -d 'Send a sample event to a hook and show its answer'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand hook; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand health" -l config -d 'The configuration file; left out: $FEISHU_EXPORT_WATCHER_CONFIG, else ./watcher.toml, else /etc/feishu-export-watcher/watcher.toml' -r -F
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand health" -l ready -d 'Ask whether it is ready (/readyz), not only whether it lives (/livez)'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand health" -s h -l help -d 'Print help'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "init" -d 'Write a first configuration'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "add" -d 'Add documents to the watch list, by their links'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "run" -d 'Watch: as a service, or until every ticket is done'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "check" -d 'Check configuration, watch list and secrets'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "status" -d 'Show what is known about every ticket'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "explain" -d 'Say what a job status, a code, an error.kind or the reason of a pause means, and what to do'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "retry" -d 'Have ended tickets polled, documents exported, or events sent to a hook, again'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "hook" -d 'Try a hook out'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "health" -d 'Ask a running watcher whether it is well, for probes'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and not __fish_seen_subcommand_from init add run check status explain retry hook health help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c feishu-export-watcher -n "__fish_feishu_export_watcher_using_subcommand help; and __fish_seen_subcommand_from hook" -f -a "test" -d 'Send a sample event to a hook and show its answer'
