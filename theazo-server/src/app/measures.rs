//! Measurements over time: which interval each belongs to, and what is said of those in one.

use std::time::Duration;

use theazo_api::{MetricDataPoint, Timestamp};

/// A time that is divided into parts of one length; the last may be shorter.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    pub since: Timestamp,
    pub until: Timestamp,
    pub length: Duration,
}

impl Interval {
    /// The parts, each with its beginning and its end.
    pub fn parts(self) -> Vec<(Timestamp, Timestamp)> {
        let mut parts = Vec::new();
        let mut begin = self.since;
        while begin < self.until {
            let end = begin.plus(self.length).min(self.until);
            parts.push((begin, end));
            begin = end;
        }
        parts
    }
}

/// Measurements by the part of an interval in which they were made.
pub struct Points {
    interval: Interval,
    parts: Vec<(Timestamp, Vec<f64>)>,
}

impl Points {
    pub fn new(interval: Interval) -> Self {
        let parts = interval.parts().into_iter().map(|(begin, _)| (begin, Vec::new())).collect();
        Self { interval, parts }
    }

    /// Adds a measurement. One outside of the interval does not count.
    pub fn add(&mut self, at: Timestamp, value: f64) {
        if at < self.interval.since || at >= self.interval.until {
            return;
        }
        let part = at.since(self.interval.since).as_millis() / self.interval.length.as_millis().max(1);
        if let Some((_, values)) = usize::try_from(part).ok().and_then(|part| self.parts.get_mut(part)) {
            values.push(value);
        }
    }

    /// The sum of each part, times `unit`.
    pub fn sums(self, unit: f64) -> Vec<MetricDataPoint> {
        self.each(|values| (Some(values.iter().sum::<f64>() * unit), [None; 3]))
    }

    /// The mean of each part.
    pub fn means(self) -> Vec<MetricDataPoint> {
        self.each(|values| (Some(mean(values)), [None; 3]))
    }

    /// The mean of each part, and what half, 95 and 99 percent of it are at most.
    pub fn distributions(self) -> Vec<MetricDataPoint> {
        self.each(|values| {
            values.sort_by(f64::total_cmp);
            let at_most = |percent: usize| Some(values[(values.len() * percent).div_ceil(100) - 1]);
            (Some(mean(values)), [at_most(50), at_most(95), at_most(99)])
        })
    }

    fn each(self, say: impl Fn(&mut Vec<f64>) -> (Option<f64>, [Option<f64>; 3])) -> Vec<MetricDataPoint> {
        let parts = self.parts.into_iter().map(|(timestamp, mut values)| {
            let (value, [p50, p95, p99]) = if values.is_empty() { (None, [None; 3]) } else { say(&mut values) };
            MetricDataPoint { timestamp, value, p50, p95, p99 }
        });
        parts.collect()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    #[test]
    fn each_measurement_belongs_to_the_part_that_begins_at_or_before_it() {
        let interval = Interval { since: at(10), until: at(25), length: Duration::from_secs(600) };
        let mut points = Points::new(interval);
        for (minute, value) in [(9, 100.0), (10, 1.0), (19, 2.0), (20, 4.0), (25, 100.0)] {
            points.add(at(minute), value);
        }

        let sums: Vec<_> = points.sums(1.0).into_iter().map(|point| (point.timestamp, point.value)).collect();

        assert_eq!(sums, [(at(10), Some(3.0)), (at(20), Some(4.0))]);
    }

    #[test]
    fn a_percentile_is_the_least_that_so_many_are_at_most() {
        let distribution = |count: u32| {
            let mut points = Points::new(Interval { since: at(0), until: at(1), length: Duration::from_secs(60) });
            (1..=count).rev().for_each(|value| points.add(at(0), f64::from(value)));
            let point = points.distributions().remove(0);
            (point.value, point.p50, point.p95, point.p99)
        };

        assert_eq!(distribution(0), (None, None, None, None));
        assert_eq!(distribution(1), (Some(1.0), Some(1.0), Some(1.0), Some(1.0)));
        assert_eq!(distribution(2), (Some(1.5), Some(1.0), Some(2.0), Some(2.0)));
        assert_eq!(distribution(100), (Some(50.5), Some(50.0), Some(95.0), Some(99.0)));
        assert_eq!(distribution(1000), (Some(500.5), Some(500.0), Some(950.0), Some(990.0)));
    }
}
