//! What a run may use. Every limit has a default, a setting and an error that names both.

/// The limits of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `steps`: statements and expressions one transaction may evaluate.
    pub steps: u64,
    /// `collection-length`: elements of one list, set or map.
    pub collection_length: usize,
    /// `text-length`: bytes of one text.
    pub text_length: usize,
    /// `value-nesting`: structs and enums inside one another in one value.
    pub value_nesting: usize,
    /// `transaction-size`: bytes that one transaction may write to a store, as the store counts them.
    pub transaction_size: usize,
    /// `event-size`: bytes of one event or request from outside.
    pub event_size: usize,
    /// `event-nesting`: how deep values from outside may be nested.
    pub event_nesting: usize,
    /// `queue`: events waiting or in flight beyond which events from outside are refused. What handlers send is never refused.
    pub queue: usize,
    /// `keep-outcomes`: milliseconds for which the outcome of an outside event is kept, so that sending it again gives it again; and
    /// for which a receiver still knows an event of a store that others share, once its sender has dealt with it.
    pub keep_outcomes: i64,
    /// `conflict-timeout`: milliseconds after which an outside event that keeps losing against others ends in `conflict`.
    pub conflict_timeout: i64,
    /// `unavailable-timeout`: milliseconds after which an outside event whose store does not answer ends in `unavailable`.
    pub unavailable_timeout: i64,
    /// `extern-calls`: calls to the outside under way at once.
    pub extern_calls: usize,
    /// `extern-timeout`: milliseconds a call to the outside may take.
    pub extern_timeout: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            steps: 10_000_000,
            collection_length: 10_000_000,
            text_length: 16 << 20,
            value_nesting: 100,
            transaction_size: 256 << 20,
            event_size: 1 << 20,
            event_nesting: 64,
            queue: 100_000,
            keep_outcomes: 7 * 24 * 60 * 60 * 1000,
            conflict_timeout: 30_000,
            unavailable_timeout: 30_000,
            extern_calls: 64,
            extern_timeout: 30_000,
        }
    }
}

impl Limits {
    /// Sets the limit of this name, of times in milliseconds; `false` if there is none of that name.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        let count = usize::try_from(value).unwrap_or(usize::MAX);
        let time = i64::try_from(value).unwrap_or(i64::MAX);
        match name {
            "steps" => self.steps = value,
            "collection-length" => self.collection_length = count,
            "text-length" => self.text_length = count,
            "value-nesting" => self.value_nesting = count,
            "transaction-size" => self.transaction_size = count,
            "event-size" => self.event_size = count,
            "event-nesting" => self.event_nesting = count,
            "queue" => self.queue = count,
            "keep-outcomes" => self.keep_outcomes = time,
            "conflict-timeout" => self.conflict_timeout = time,
            "unavailable-timeout" => self.unavailable_timeout = time,
            "extern-calls" => self.extern_calls = count,
            "extern-timeout" => self.extern_timeout = time,
            _ => return false,
        }
        true
    }
}
