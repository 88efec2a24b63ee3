//! Medians, and a line through points.

use serde::{Deserialize, Serialize};

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq)]
pub struct Spread {
    /// The middle one; of an even number the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Self { median, min, max })
    }
}

impl Spread {
    /// Each value of one is beside values of the other: they do not differ.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

/// The line `base + slope * x` that is nearest to the points, by least squares.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Line {
    /// At x = 0.
    pub base: f64,
    /// What one more x adds.
    pub slope: f64,
}

impl Line {
    /// Through at least two points with different x.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let over = points.iter().map(|point| (point.0 - x) * (point.1 - y));
        let under = points.iter().map(|point| (point.0 - x).powi(2));
        let (over, under): (f64, f64) = (over.sum(), under.sum());
        (points.len() > 1 && under > 0.0).then(|| {
            let slope = over / under;
            Self {
                base: y - slope * x,
                slope,
            }
        })
    }

    /// The largest whole x whose y is at most `limit`, if there is one above 0.
    pub fn fits(self, limit: f64) -> Option<u64> {
        let x = ((limit - self.base) / self.slope).floor();
        (self.slope > 0.0 && x >= 1.0).then_some(x as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_a_middle() {
        let odd = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn spreads_that_overlap_are_no_difference() {
        let of = |values: [f64; 2]| Spread::of(values).unwrap();
        assert!(of([1.0, 3.0]).overlaps(&of([2.0, 9.0])));
        assert!(of([2.0, 9.0]).overlaps(&of([3.0, 4.0])));
        assert!(!of([1.0, 2.0]).overlaps(&of([2.1, 9.0])));
    }

    #[test]
    fn a_line_is_fitted() {
        let line = Line::through(&[(1.0, 110.0), (2.0, 120.0), (4.0, 140.0)]).unwrap();
        assert!((line.base - 100.0).abs() < 1e-9 && (line.slope - 10.0).abs() < 1e-9);
        assert_eq!(line.fits(155.0), Some(5));
        assert_eq!(line.fits(90.0), None);
        assert!(Line::through(&[(1.0, 1.0)]).is_none());
        assert!(Line::through(&[(1.0, 1.0), (1.0, 2.0)]).is_none());
    }
}
