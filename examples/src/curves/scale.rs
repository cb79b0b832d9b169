//! From numbers to places on an axis, and the numbers that are written there.

/// An axis that holds some numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// The axis over finite numbers (above zero for a logarithmic one), with a little room at either end.
    pub(super) fn over(numbers: impl Iterator<Item = f64>, log: bool) -> Self {
        let numbers = numbers.map(|number| if log { number.log10() } else { number });
        let (low, high) = numbers.fold((f64::MAX, f64::MIN), |(low, high), number| (low.min(number), high.max(number)));
        let room = if high > low { 0.04 * (high - low) } else { 0.5 };
        Self { low: low - room, high: high + room, log }
    }

    /// The place of a number, 0 at the low end and 1 at the high end; nothing lies outside.
    pub(super) fn place(&self, number: f64) -> f64 {
        let number = if self.log { number.log10() } else { number };
        ((number - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Round numbers along the axis, ascending.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let ticks = if self.log { self.log_ticks() } else { self.linear_ticks() };
        let inside = |tick: &f64| {
            let at = if self.log { tick.log10() } else { *tick };
            (self.low..=self.high).contains(&at)
        };
        ticks.into_iter().filter(inside).collect()
    }

    /// About six multiples of 1, 2 or 5 times a power of ten.
    fn linear_ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 6.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        (first..=last).map(|count| count as f64 * step).collect()
    }

    /// 1, 2 and 5 times each power of ten, or the powers alone where there are many.
    fn log_ticks(&self) -> Vec<f64> {
        let digits: &[f64] = if self.high - self.low > 4.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = self.low.floor() as i32..=self.high.ceil() as i32;
        powers.flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power))).collect()
    }
}

/// A tick's number, without the dust of its arithmetic.
pub(super) fn written(tick: f64) -> String {
    let text = format!("{tick:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { String::from("0") } else { text.replace('-', "\u{2212}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_lie_inside() {
        let linear = Scale::over([0.0, 1.0].into_iter(), false);
        assert_eq!(linear.ticks().into_iter().map(written).collect::<Vec<_>>(), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        let log = Scale::over([0.3, 30.0].into_iter(), true);
        assert_eq!(log.ticks().into_iter().map(written).collect::<Vec<_>>(), ["0.5", "1", "2", "5", "10", "20"]);
        let negative = Scale::over([-3.0, 3.0].into_iter(), false);
        assert_eq!(written(negative.ticks()[0]), "\u{2212}2");
    }

    #[test]
    fn equal_numbers_lie_in_the_middle() {
        assert_eq!(Scale::over([7.0, 7.0].into_iter(), true).place(7.0), 0.5);
    }
}
