//! Thresholds keep what they promise on the answers they were made from.

use proptest::prelude::*;
use saffron_search::calibrate::{Labelled, calibrate};

proptest! {
    #[test]
    fn verdicts_are_wrong_at_most_so_often(
        answers in prop::collection::vec((-4i8..5, any::<bool>()), 2..14),
        wrong in prop::sample::select(vec![0.0, 0.1, 0.25, 0.4, 0.6]),
    ) {
        let answers: Vec<Labelled> =
            answers.into_iter().map(|(reward, safe)| Labelled { reward: f32::from(reward), safe }).collect();
        let Ok(found) = calibrate(&answers, wrong) else { return Ok(()) };
        prop_assert!(found.wrongly_safe as f64 <= wrong * found.called_safe as f64, "{:?} {:?}", answers, found);
        prop_assert!(found.wrongly_unsafe as f64 <= wrong * found.called_unsafe as f64, "{:?} {:?}", answers, found);
    }
}
