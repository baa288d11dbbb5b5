//! A cluster whose forwarded messages are admitted by the limits. Where nothing is limited it is not put in between.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ilium_store::{Answer, Answers, Caller, Channel, ClusterListener, Forward, Frame, Result, Watcher};
use parking_lot::Mutex;

use crate::{Limits, Permit};

pub struct Limited {
    forward: Arc<dyn Forward>,
    limits: Arc<Limits>,
}

impl Limited {
    /// The same, if there are no limits.
    pub fn around(forward: Arc<dyn Forward>, limits: Option<Arc<Limits>>) -> Arc<dyn Forward> {
        match limits {
            None => forward,
            Some(limits) => Arc::new(Limited { forward, limits }),
        }
    }
}

impl Forward for Limited {
    fn versions(&self) -> Vec<u8> {
        self.forward.versions()
    }

    fn cql_version(&self) -> String {
        self.forward.cql_version()
    }

    fn open(&self, caller: Caller, answers: Arc<dyn Answers>) -> Answer<Box<dyn Channel>> {
        let under_way = Arc::new(UnderWay { answers, permits: Mutex::default() });
        let opened = self.forward.open(caller.clone(), Arc::clone(&under_way) as _);
        let limits = Arc::clone(&self.limits);
        let around =
            |channel| Box::new(LimitedChannel { channel, limits, caller, under_way }) as Box<dyn Channel>;
        match opened {
            Answer::Ready(channel) => Answer::Ready(channel.map(around)),
            Answer::Later(channel) => Answer::Later(Box::pin(async move { channel.await.map(around) })),
        }
    }

    fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.forward.watch(watcher);
    }

    fn listen(&self, listener: ClusterListener) {
        self.forward.listen(listener);
    }
}

struct LimitedChannel {
    channel: Box<dyn Channel>,
    limits: Arc<Limits>,
    caller: Caller,
    under_way: Arc<UnderWay>,
}

/// One client's requests that are not answered, by stream.
struct UnderWay {
    answers: Arc<dyn Answers>,
    /// A client that uses a stream twice at once holds two.
    permits: Mutex<HashMap<i16, Vec<Permit>>>,
}

impl Channel for LimitedChannel {
    fn send(&mut self, stream: i16, frame: Frame) {
        let Caller { principal, address, .. } = &self.caller;
        match self.limits.admit(principal, Some(*address), frame.body.len()) {
            Ok(permit) => {
                self.under_way.permits.lock().entry(stream).or_default().push(permit);
                self.channel.send(stream, frame);
            }
            Err(error) => {
                self.under_way.answers.answer(stream, Err(error));
                self.under_way.answers.flush();
            }
        }
    }

    fn flush(&mut self) {
        self.channel.flush();
    }
}

impl Answers for UnderWay {
    fn answer(&self, stream: i16, answer: Result<Frame>) {
        if let Entry::Occupied(mut held) = self.permits.lock().entry(stream) {
            held.get_mut().pop();
            if held.get().is_empty() {
                held.remove();
            }
        }
        self.answers.answer(stream, answer);
    }

    fn flush(&self) {
        self.answers.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limit, LimitOptions};
    use bytes::Bytes;
    use ilium_store::{ErrorKind, Principal, Role};

    /// A cluster that answers when it is told to.
    #[derive(Default)]
    struct Patient(Arc<Mutex<Vec<(i16, Frame)>>>, Arc<Mutex<Option<Arc<dyn Answers>>>>);

    struct PatientChannel(Arc<Mutex<Vec<(i16, Frame)>>>);

    impl Channel for PatientChannel {
        fn send(&mut self, stream: i16, frame: Frame) {
            self.0.lock().push((stream, frame));
        }
        fn flush(&mut self) {}
    }

    impl Forward for Patient {
        fn versions(&self) -> Vec<u8> {
            vec![5]
        }
        fn cql_version(&self) -> String {
            "3.4.7".to_owned()
        }
        fn open(&self, _: Caller, answers: Arc<dyn Answers>) -> Answer<Box<dyn Channel>> {
            *self.1.lock() = Some(answers);
            Answer::Ready(Ok(Box::new(PatientChannel(Arc::clone(&self.0)))))
        }
        fn watch(&self, _: Arc<dyn Watcher>) {}
        fn listen(&self, _: ClusterListener) {}
    }

    #[derive(Default)]
    struct Heard(Mutex<Vec<(i16, Result<Frame>)>>);

    impl Answers for Heard {
        fn answer(&self, stream: i16, answer: Result<Frame>) {
            self.0.lock().push((stream, answer));
        }
        fn flush(&self) {}
    }

    fn frame() -> Frame {
        Frame { version: 5, flags: 0, opcode: 7, body: Bytes::from_static(b"body") }
    }

    /// The channel of a role that may have so many requests in flight.
    fn opened(cluster: Patient, in_flight: u32, heard: &Arc<Heard>) -> Box<dyn Channel> {
        let each_role = Limit { in_flight: Some(in_flight), ..Limit::default() };
        let limits = Limits::new(LimitOptions { each_role, ..LimitOptions::default() });
        let limited = Limited::around(Arc::new(cluster), limits);
        let principal = Principal::Role(Role::new("ada", []));
        let caller = Caller { principal, address: ([127, 0, 0, 1], 1).into(), version: 5 };
        let Answer::Ready(Ok(channel)) = limited.open(caller, Arc::clone(heard) as _) else { panic!() };
        channel
    }

    #[test]
    fn a_message_past_the_limit_is_answered_here_and_goes_no_further_until_another_has_its_answer() {
        let cluster = Patient::default();
        let (sent, answers) = (Arc::clone(&cluster.0), Arc::clone(&cluster.1));
        let heard = Arc::<Heard>::default();
        let mut channel = opened(cluster, 1, &heard);
        channel.send(1, frame());
        channel.send(2, frame());
        assert_eq!(sent.lock().iter().map(|(stream, _)| *stream).collect::<Vec<_>>(), [1]);
        let (stream, refusal) = heard.0.lock().pop().unwrap();
        let refusal = refusal.unwrap_err();
        assert_eq!((stream, refusal.kind), (2, ErrorKind::Overloaded));
        assert!(refusal.message.contains("role ada has 1 requests in flight"), "{}", refusal.message);

        let answered = answers.lock().clone().unwrap();
        answered.answer(1, Ok(frame()));
        assert_eq!(heard.0.lock().pop().map(|(stream, answer)| (stream, answer.is_ok())), Some((1, true)));
        channel.send(2, frame());
        assert_eq!(sent.lock().len(), 2);
        assert!(heard.0.lock().is_empty());
        // The stream that is in use, once more.
        channel.send(2, frame());
        assert_eq!(sent.lock().len(), 2);
        assert!(heard.0.lock().pop().unwrap().1.is_err());
        channel.send(3, frame());
        assert!(heard.0.lock().pop().unwrap().1.is_err(), "the refusal gave back what another had");
    }

    #[test]
    fn requests_on_one_stream_count_each() {
        let cluster = Patient::default();
        let (sent, answers) = (Arc::clone(&cluster.0), Arc::clone(&cluster.1));
        let mut channel = opened(cluster, 2, &Arc::default());
        (0..5).for_each(|_| channel.send(0, frame()));
        assert_eq!(sent.lock().len(), 2);
        answers.lock().clone().unwrap().answer(0, Ok(frame()));
        (0..5).for_each(|_| channel.send(0, frame()));
        assert_eq!(sent.lock().len(), 3);
    }
}
