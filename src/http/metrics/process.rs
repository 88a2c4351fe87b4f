//! What the kernel knows of this process, under the names that every exporter uses.

use crate::domain::WallTime;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use rustix::time::{ClockId, clock_gettime};

const START: &str = "process_start_time_seconds";
const CPU: &str = "process_cpu_seconds_total";

/// The library's collector. A service that sees only its own part of `/proc` is not told when the machine was
/// started, and hence not when the process was: then the moment is taken that it noted itself. And the library counts
/// whole seconds of the processor, of which this program uses a few a day.
pub(super) struct Process {
    kernel: ProcessCollector,
    began: WallTime,
}

impl Process {
    /// This process, which began just before `began`.
    pub(super) fn new(began: WallTime) -> Self {
        Self { kernel: ProcessCollector::for_self(), began }
    }

    fn put_right(&self, families: &mut [MetricFamily]) {
        let start = families.iter_mut().filter(|family| family.name() == START);
        for metric in start.flat_map(|family| family.mut_metric()) {
            if metric.get_gauge().get_value() == 0.0 {
                let mut gauge = metric.get_gauge().clone();
                gauge.set_value((self.began.as_millis() / 1000) as f64);
                metric.set_gauge(gauge);
            }
        }
        let cpu = families.iter_mut().filter(|family| family.name() == CPU);
        for metric in cpu.flat_map(|family| family.mut_metric()) {
            let mut counter = metric.get_counter().clone();
            counter.set_value(cpu_seconds());
            metric.set_counter(counter);
        }
    }
}

/// What all threads of this process have used of the processor.
fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.kernel.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.kernel.collect();
        self.put_right(&mut families);
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: what the program uses of the processor shows within a scrape or two, not after hours.
    #[test]
    fn seconds_of_the_processor_have_fractions() {
        let process = Process::new(WallTime::from_millis(1_795_341_600_999));
        let used = || {
            let families = process.collect();
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

    /// Promise: a service whose `/proc` is cut down says when it was started all the same.
    #[test]
    fn a_start_that_the_kernel_hides_is_known() {
        let process = Process::new(WallTime::from_millis(1_795_341_600_999));
        let start = |families: &[MetricFamily]| {
            let family = families.iter().find(|family| family.name() == START).unwrap();
            family.get_metric()[0].get_gauge().get_value()
        };
        let mut families = process.collect();
        let told = start(&families);
        assert!(told > 1.0e9, "{told}");
        process.put_right(&mut families);
        assert_eq!(start(&families), told, "what the kernel says stays");
        for metric in families.iter_mut().flat_map(|family| family.mut_metric()) {
            metric.set_gauge(prometheus::proto::Gauge::default());
        }
        process.put_right(&mut families);
        assert_eq!(start(&families), 1_795_341_600.0);
    }
}
