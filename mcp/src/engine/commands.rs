//! What readers ask of the engine's thread that changes what it does: standing conditions.

use super::{EngineClient, EngineUnavailable, Question, Stamp};
use tidegate_core::condition::Condition;
use tokio::sync::oneshot;

/// An order to the engine's thread.
pub enum Command {
    /// Watch this condition; the answer tells since when, or that there is no room for it.
    Attach(Box<Condition>, oneshot::Sender<Result<Stamp, NoRoom>>),
    /// Watch it no longer.
    Detach(u64),
}

/// The engine watches as many conditions as it may, or has lost bars since this one was primed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl EngineClient {
    /// Has the engine watch a condition; the moment since when.
    ///
    /// # Errors
    /// [`EngineUnavailable`].
    pub async fn attach(&self, condition: Condition) -> Result<Result<Stamp, NoRoom>, EngineUnavailable> {
        self.ask(|reply| Question::Command(Command::Attach(Box::new(condition), reply))).await
    }

    /// Has the engine watch a condition no longer; false where it is too busy to be told.
    pub fn detach(&self, id: u64) -> bool {
        let is_sent = self.questions.try_send(Question::Command(Command::Detach(id))).is_ok();
        self.unpark();
        is_sent
    }
}
