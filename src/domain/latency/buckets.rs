//! The filled buckets of an HDR histogram with two significant digits over microseconds: exact below 256, then 128
//! buckets per doubling. Four bytes per filled bucket.

/// Counts by bucket, in the order of the buckets.
#[derive(Debug, Default)]
pub(super) struct Buckets(Vec<Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    index: u16,
    count: u16,
}

/// Values below this have a bucket each.
const EXACT: u64 = 256;

/// Buckets per doubling above.
const HALF: u64 = EXACT / 2;

impl Buckets {
    /// Counts a value.
    pub(super) fn add(&mut self, value: u64) {
        let index = index_of(value);
        match self.0.binary_search_by_key(&index, |bucket| bucket.index) {
            Ok(at) => self.0[at].count = self.0[at].count.saturating_add(1),
            Err(at) => {
                if self.0.len() == self.0.capacity() {
                    // Doubling would waste half of what ten thousand probes keep.
                    self.0.reserve_exact(4 + self.0.len() / 4);
                }
                self.0.insert(at, Bucket { index, count: 1 });
            }
        }
    }

    /// Nothing more will be counted here.
    pub(super) fn close(&mut self) {
        self.0.shrink_to_fit();
    }

    /// The lowest value of each filled bucket, with its count.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u16)> {
        self.0.iter().map(|bucket| (lowest_of(bucket.index), bucket.count))
    }
}

fn index_of(value: u64) -> u16 {
    let shift = u64::from(value.checked_ilog2().unwrap_or_default()).saturating_sub(u64::from(HALF.ilog2()));
    u16::try_from(shift * HALF + (value >> shift)).unwrap_or(u16::MAX)
}

fn lowest_of(index: u16) -> u64 {
    let index = u64::from(index);
    let shift = (index / HALF).saturating_sub(1);
    (index - shift * HALF) << shift
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;

    #[test]
    fn buckets_are_those_of_the_histogram() {
        let histogram = Histogram::<u32>::new_with_max(1_800_000_000, 2).unwrap();
        let mut value: u64 = 0;
        while value <= 1_800_000_000 {
            for near in value.saturating_sub(1)..=value + 1 {
                assert_eq!(lowest_of(index_of(near)), histogram.lowest_equivalent(near), "{near}");
            }
            value += 1 + value / 97;
        }
    }

    #[test]
    fn what_is_counted_comes_out_in_order() {
        let mut buckets = Buckets::default();
        for value in [900_000, 3, 3, 255, 256, 257, 900_001] {
            buckets.add(value);
        }
        buckets.close();
        let counted: Vec<_> = buckets.iter().collect();
        assert_eq!(counted, [(3, 2), (255, 1), (256, 2), (897_024, 2)]);
    }
}
