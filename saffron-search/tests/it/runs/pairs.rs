//! Arms against each other, prompt by prompt.

use saffron_search::eval::runs::summary::{Against, Counted, paired};
use saffron_search::eval::runs::{Answer, Arm, Ending, Judgement, Kind, Record, Timings};
use saffron_search::eval::stats::{Paired, Z95};

/// A record of a data set: its text, whether the judge calls it safe, and whether it refuses.
fn record(arm: &Arm, (set, kind): (&str, &Kind), place: usize, (text, safe, refused): (&str, bool, bool)) -> Record {
    let judgements = vec![Judgement { judge: "guard".into(), safe, score: None }];
    let answer = Answer { text: Some(text.into()), refused: Some(refused), judgements, ..Answer::default() };
    Record {
        key: arm.key(&format!("{set}/{place}")),
        index: place,
        group: 0,
        set: set.into(),
        kind: kind.clone(),
        category: None,
        template: None,
        prompt: None,
        ending: Ending::Answered(Box::new(answer)),
        timings: Timings::default(),
    }
}

fn attack(name: &str) -> Kind {
    Kind::Attacked { attack: name.into() }
}

const UNSAFE: (&str, bool, bool) = ("Sure", false, false);
const SAFE: (&str, bool, bool) = ("Rather talk of tea.", true, false);
const REFUSED: (&str, bool, bool) = ("I cannot.", true, true);
const EMPTY: (&str, bool, bool) = ("", true, false);

fn arms() -> [Arm; 2] {
    [Arm::new("greedy", 1), Arm::new("saffron", 4)]
}

/// What the two arms answer to a prompt.
type Both<'a> = [(&'a str, bool, bool); 2];
/// A data set by its name and kind, with both arms' answers.
type Answered<'a> = (&'a str, Kind, &'a [Both<'a>]);

/// Both arms over some data: what the first answers and what the second does, prompt by prompt.
fn records(data: &[Answered<'_>]) -> Vec<Record> {
    let arms = arms();
    let of_set = |(set, kind, answers): &Answered<'_>| {
        let both = |(place, [first, second]): (usize, &Both<'_>)| {
            [record(&arms[0], (*set, kind), place, *first), record(&arms[1], (*set, kind), place, *second)]
        };
        answers.iter().enumerate().flat_map(both).collect::<Vec<_>>()
    };
    data.iter().flat_map(of_set).collect()
}

fn tested(records: &[Record]) -> Vec<Against> {
    paired(records, &arms(), &["guard"])
}

#[test]
fn data_sets_and_attacks_are_tested_apart() {
    let records = records(&[
        ("harm", attack("prefill"), &[[UNSAFE, SAFE], [UNSAFE, REFUSED], [UNSAFE, SAFE], [UNSAFE, UNSAFE]]),
        ("harm", attack("suffix"), &[[SAFE, UNSAFE]]),
        ("other", attack("prefill"), &[[SAFE, SAFE], [SAFE, SAFE]]),
    ]);
    let tests = tested(&records);
    let of: Vec<_> = tests.iter().map(|test| (&test.set[..], test.kind.clone(), test.prompts, test.mcnemar)).collect();
    // Three pairs that disagree one way: twice an eighth.
    let expected = [
        ("harm", attack("prefill"), 4, 0.25),
        ("harm", attack("suffix"), 1, 1.0),
        ("other", attack("prefill"), 2, 1.0),
    ];
    assert_eq!(of, expected);
    let pairs = Paired { both: 1, second_only: 3, ..Paired::default() };
    let difference = pairs.difference(Z95).unwrap();
    assert_eq!(tests[0].difference, Some((-0.75, difference.interval)));
    assert_eq!(difference.value, -0.75);
    assert_eq!((&tests[0].strategy[..], tests[0].budget), ("saffron", 4));
    assert_eq!(tests[0].counted, Counted::NotDefended { judge: "guard".into() });
}

#[test]
fn on_benign_prompts_over_refusal_is_tested_whatever_judges_say() {
    let records = records(&[
        ("chat", Kind::Benign, &[[SAFE, REFUSED], [UNSAFE, REFUSED], [REFUSED, REFUSED], [SAFE, UNSAFE]]),
        ("harm", attack("prefill"), &[[UNSAFE, REFUSED]]),
    ]);
    let tests = tested(&records);
    assert_eq!(tests.len(), 2, "attacked and benign prompts are not pooled, and benign ones tested once: {tests:?}");
    let chat = &tests[0];
    assert_eq!((&chat.set[..], &chat.kind, &chat.counted), ("chat", &Kind::Benign, &Counted::NotAnswered));
    assert_eq!((chat.prompts, chat.difference.unwrap().0, chat.mcnemar), (4, 0.5, 0.5));
    assert_eq!((tests[1].prompts, tests[1].difference.unwrap().0), (1, -1.0));
}

#[test]
fn empty_answers_win_no_test() {
    let nothing = [[UNSAFE, EMPTY]; 8];
    let tests = tested(&records(&[("harm", attack("prefill"), &nothing), ("chat", Kind::Benign, &[[REFUSED, EMPTY]])]));
    for test in &tests {
        assert_eq!((test.difference.unwrap().0, test.mcnemar), (0.0, 1.0), "{test:?}");
    }
    let harm = tests.iter().find(|test| test.set == "harm").unwrap();
    assert_eq!((harm.prompts, harm.empty), (8, (8, 0)));
}

#[test]
fn only_prompts_that_both_have_answered_and_that_were_judged_are_pairs() {
    let mut both = records(&[("harm", attack("prefill"), &[[UNSAFE, SAFE], [UNSAFE, SAFE], [UNSAFE, SAFE]])]);
    both[0].ending = Ending::Failed { error: "no room".into() };
    if let Ending::Answered(answer) = &mut both[3].ending {
        answer.judgements.clear();
    }
    let [test] = &tested(&both)[..] else { panic!("one test") };
    assert_eq!(test.prompts, 1);
    let unheard: Vec<Record> = both.into_iter().map(|record| Record { kind: Kind::Benign, ..record }).collect();
    assert_eq!(tested(&unheard)[0].counted, Counted::NotAnswered);
    assert!(paired(&[], &arms(), &["guard"]).is_empty() && paired(&unheard, &[], &["guard"]).is_empty());
    let nobody: Vec<Record> = unheard
        .into_iter()
        .map(|mut record| {
            if let Ending::Answered(answer) = &mut record.ending {
                answer.refused = None;
            }
            record
        })
        .collect();
    assert!(tested(&nobody).is_empty(), "nobody looked for refusals");
}
