//! What the kernel knows of this process, under the names that every exporter uses.

use feishu_export_watcher::domain::WallTime;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;

const START: &str = "process_start_time_seconds";

/// The library's collector. A service that sees only its own part of `/proc` is not told when the machine was
/// started, and hence not when the process was: then the moment is taken that it noted itself.
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
    }
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
