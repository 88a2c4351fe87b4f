//! The real binary against the simulator on loopback, one file a subject.

mod budget;
mod harness;
