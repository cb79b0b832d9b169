//! Conversations: what policy and reward model read of the turns so far.

use saffron_core::PromptEncoder;
use saffron_mrm::text::{ChatTemplate, Conversation, TextLayout, TextTokenizer};

use crate::fixtures::dir;

const TEMPLATE: &str = "{{ bos_token }}{% for turn in messages %}<|{{ turn.role }}|>{{ turn.content }}{% endfor %}\
                        {% if add_generation_prompt %}<|assistant|>{% endif %}";

#[test]
fn what_was_said_enters_the_next_turn_without_its_reasoning() {
    let tokenizer = TextTokenizer::from_dir(&dir("tiny-b").join("policy"), 190).unwrap();
    let last_part = TEMPLATE.replace("turn.content", "turn.content.split('</think>')[-1]");
    let mut talk = Conversation::new(ChatTemplate::new(last_part).unwrap().with_special("<|bos|>", "<|eos|>"), None);
    talk.add("one", "Hm , <|user|></think>Paris !");
    let found = talk.layout(&tokenizer).unwrap();
    let encode = |text: &str| tokenizer.encode_markup(text).unwrap();
    assert_eq!(found.ids().prefix, encode("<|bos|><|user|>one<|assistant|>Paris !<|user|>"));
    assert_eq!(found.ids().infix, encode("<|assistant|>"));
    assert_eq!(talk.messages()[1].content, "Hm , <|user|></think>Paris !", "the text that was generated is kept");
}

#[test]
fn a_reward_model_hears_all_turns_in_its_own_layout() {
    let tokenizer = TextTokenizer::from_dir(&dir("tiny-b").join("policy"), 190).unwrap();
    let encode = |text: &str| tokenizer.encode(text).unwrap();
    let mut talk = Conversation::new(ChatTemplate::new(TEMPLATE).unwrap(), Some("be kind"));
    let own = TextLayout::named("mrm", &tokenizer).unwrap();
    let heard = own.after(talk.messages()).unwrap();
    assert_eq!(heard.ids(), own.ids(), "nothing was said yet, and the system counts for nothing");
    talk.add("one", "two");
    let heard = own.after(talk.messages()).unwrap();
    let (user, agent) = (encode("\n\nUser:"), encode("\n\nAgent:"));
    let expected = [vec![0], user.clone(), encode("one"), agent.clone(), encode("two"), user].concat();
    assert_eq!((&heard.ids().prefix, &heard.ids().infix), (&expected, &agent));
    let together = [vec![0], encode("\n\nUser:one\n\nAgent:two\n\nUser:three\n\nAgent:")].concat();
    assert_eq!(heard.encode_prompt("three", None).unwrap(), together);
}
