//! The kernel's figures of this process, under the names that every exporter uses.

use prometheus::proto::{Counter, Gauge, MetricFamily};
use rustix::time::{ClockId, clock_gettime};

use crate::domain::WallTime;

const START: &str = "process_start_time_seconds";
const CPU: &str = "process_cpu_seconds_total";

/// Puts two figures of the library's collector right. A service that sees only its own part of `/proc` does not learn
/// when the machine was started, and hence not when the process was: then the moment is taken that it noted itself. And
/// the library counts whole seconds of the processor, of which this program uses a few a day.
pub(super) fn put_right(families: &mut [MetricFamily], began: WallTime) {
    for family in families {
        let name = family.name().to_owned();
        for metric in family.mut_metric() {
            let (mut counter, mut gauge) = (Counter::default(), Gauge::default());
            if name == CPU {
                counter.set_value(cpu_seconds());
                metric.set_counter(counter);
            } else if name == START && metric.get_gauge().get_value() == 0.0 {
                gauge.set_value((began.as_millis() / 1000) as f64);
                metric.set_gauge(gauge);
            }
        }
    }
}

/// Seconds of the processor that all threads of this process have used.
fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use prometheus::core::Collector as _;
    use prometheus::process_collector::ProcessCollector;

    use super::*;

    const BEGAN: WallTime = WallTime::from_millis(1_795_341_600_999);

    fn families() -> Vec<MetricFamily> {
        let mut families = ProcessCollector::for_self().collect();
        put_right(&mut families, BEGAN);
        families
    }

    /// Promise: use of the processor shows within a scrape or two, not after hours.
    #[test]
    fn seconds_of_the_processor_have_fractions() {
        let used = || {
            let families = families();
            families.iter().find(|family| family.name() == CPU).unwrap().get_metric()[0]
                .get_counter()
                .get_value()
        };
        let before = used();
        let mut sum = 0_u64;
        while used() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(used() - before < 1.0);
    }

    /// Promise: a service whose `/proc` is cut down shows when it was started all the same.
    #[test]
    fn a_start_that_the_kernel_hides_is_known() {
        let start = |families: &[MetricFamily]| {
            let family = families.iter().find(|family| family.name() == START).unwrap();
            family.get_metric()[0].get_gauge().get_value()
        };
        let mut families = families();
        let found = start(&families);
        assert!(found > 1.0e9 && found != 1_795_341_600.0, "the figure of the kernel stays: {found}");
        for metric in families.iter_mut().flat_map(|family| family.mut_metric()) {
            metric.set_gauge(Gauge::default());
        }
        put_right(&mut families, BEGAN);
        assert_eq!(start(&families), 1_795_341_600.0);
    }
}
