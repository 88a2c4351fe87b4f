//! A calendar month, UTC: what the platforms' quota of requests is counted by.

/// A month of a year, ordered by time. Kept as the number that its digits make: 202611.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

impl Month {
    /// That month (1 to 12) of that year.
    #[must_use]
    pub fn new(year: i16, month: i8) -> Self {
        Self(i32::from(year) * 100 + i32::from(month))
    }

    /// As a number, for files.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The month of that [number](Self::number).
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_ordered_and_kept_as_their_digits() {
        let (december, january) = (Month::new(2026, 12), Month::new(2027, 1));
        assert!(december < january);
        assert_eq!(january.number(), 202_701);
        assert_eq!(Month::from_number(january.number()), january);
    }
}
