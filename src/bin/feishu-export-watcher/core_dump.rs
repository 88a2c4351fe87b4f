//! No picture of this process's memory is written anywhere: it would hold app secrets and access tokens.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps of this process for good. A system that refuses is no reason not to run: it loses nothing
/// that it had.
pub(crate) fn forbid() {
    // The limit of the parent does not matter: a service manager, a container and a shell each have a default of
    // their own. The hard limit too, so that nothing raises it again.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // Where `kernel.core_pattern` is a pipe to a program, the kernel hands it the dump in spite of a limit of 0
    // (core(5)), and not each such program looks at the limit. This is heeded always. It also keeps other
    // processes of this user from reading memory and environment, where `{ env = "NAME" }` leaves a secret.
    // Root still can. `/proc/self` stays readable, because a process may always read its own.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
