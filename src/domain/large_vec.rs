//! Vectors that leave nothing behind: for a hundred thousand of something that are wanted for a moment.

/// More than this many bytes in one block are asked of the system and given back to it by themselves, whatever was
/// freed before. A smaller block may stay with the process, and once one of some megabytes was freed, glibc keeps twice
/// as much free memory for each thread (mallopt(3), `M_MMAP_THRESHOLD` and `DEFAULT_MMAP_THRESHOLD_MAX`).
const GIVEN_BACK: usize = 32 << 20;

/// An empty vector with so much room that its memory goes back to the system when it is dropped. Room that is not used is
/// an address and no memory.
#[must_use]
pub fn large_vec<T>() -> Vec<T> {
    Vec::with_capacity(GIVEN_BACK / size_of::<T>().max(1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_block_is_always_given_back() {
        assert!(large_vec::<[u8; 120]>().capacity() * 120 > GIVEN_BACK);
        assert!(large_vec::<u8>().capacity() > GIVEN_BACK);
    }
}
