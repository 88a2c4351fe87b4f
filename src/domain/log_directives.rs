//! What may be asked of the log: a level's name, or `tracing` directives.

use tracing_subscriber::EnvFilter;

/// Library and program share this name as the target of what they log.
const OWN_TARGETS: &str = "feishu_export_watcher";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

const REMEDY: &str = "give one of off, error, warn, info, debug, trace, or directives such as \
    `info,feishu_export_watcher::feishu=debug`";

/// The filter that the directives ask for.
///
/// # Errors
/// Says what is wrong with them and what would be accepted.
pub fn parse_directives(directives: &str) -> Result<EnvFilter, String> {
    let parts: Vec<&str> = directives.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(format!("it says nothing; {REMEDY}"));
    }
    // `inof` would pass as the name of a crate whose every event is wanted, and silence all else.
    if let Some(word) = parts.iter().find(|part| is_no_level(part)) {
        return Err(format!("`{word}` is no level; {REMEDY}"));
    }
    // Of no use either; and where two directives compare a field to the same text, the library, if it was built to
    // check itself, panics.
    if let Some(part) = parts.iter().find(|part| compares_fields(part)) {
        return Err(format!("`{part}` compares a field of a span, and there are no spans; {REMEDY}"));
    }
    EnvFilter::builder()
        // Comparing span fields by regular expression is of no use here and costs memory.
        .with_regex(false)
        .parse(parts.join(","))
        .map_err(|error| format!("{error}; {REMEDY}"))
}

/// Whether a part without punctuation is anything but a level.
fn is_no_level(part: &str) -> bool {
    !part.contains(['=', '[', ':'])
        && part != OWN_TARGETS
        && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part))
}

/// Whether a part names the value of a field: `target[span{field=value}]=level`.
fn compares_fields(part: &str) -> bool {
    // A target may hold braces as well.
    let span = part.split_once('[').map_or("", |(_, span)| span);
    let fields = span.split_once('{').map_or("", |(_, fields)| fields);
    fields.split('}').next().is_some_and(|fields| fields.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_taken() {
        for good in [
            "info",
            "OFF",
            " warn , feishu_export_watcher::feishu=debug ",
            "hyper=trace,info",
            "feishu_export_watcher::engine=trace",
            "[span{field}]=trace",
        ] {
            parse_directives(good).unwrap();
        }
    }

    #[test]
    fn a_slip_is_refused_with_a_remedy() {
        for (bad, why) in [
            ("inof", "`inof` is no level"),
            ("", "it says nothing"),
            (" , ", "it says nothing"),
            ("info,verbose", "`verbose` is no level"),
            ("feishu_export_watcher=loud", "error parsing level filter"),
            ("info,[{ticket=1}]=debug", "`[{ticket=1}]=debug` compares a field of a span"),
            ("[a{b=c}]=info,[a{b=c}]=debug", "compares a field of a span"),
            ("x{y}[a{b=c}]=info,x{y}[a{b=c}]=info", "compares a field of a span"),
        ] {
            let message = parse_directives(bad).unwrap_err();
            assert!(message.contains(why), "{message}");
            assert!(message.contains("off, error, warn, info, debug, trace"), "{message}");
        }
    }
}
