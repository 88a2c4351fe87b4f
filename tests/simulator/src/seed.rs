//! Seeded chance, so that one scenario replays one history, whatever the order in which its jobs are added.

use fastrand::Rng;

/// Folds a text into a seed (FNV-1a with a final mix); stable across versions of the compiler, unlike the std hasher.
pub(crate) fn mix(seed: u64, text: &str) -> u64 {
    let folded = text.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Rng::with_seed(folded).u64(..)
}

/// A lognormal draw with the given median, in the unit of the median.
pub(crate) fn lognormal(rng: &mut Rng, median: f64, sigma: f64) -> f64 {
    // Box-Muller; `1 - f64()` keeps the logarithm away from zero.
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * rng.f64()).cos();
    median * (sigma * normal).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_is_stable_and_spreads() {
        assert_eq!(mix(7, "6933093124755412345"), mix(7, "6933093124755412345"));
        assert_ne!(mix(7, "6933093124755412345"), mix(7, "6933093124755412346"));
        assert_ne!(mix(7, "6933093124755412345"), mix(8, "6933093124755412345"));
    }

    #[test]
    fn half_of_the_draws_lie_below_the_median() {
        let mut rng = Rng::with_seed(1);
        let below = (0..10_000).filter(|_| lognormal(&mut rng, 20.0, 0.8) < 20.0).count();
        assert!((4_800..5_200).contains(&below), "{below}");
    }
}
