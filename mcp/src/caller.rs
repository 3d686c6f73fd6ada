//! Who asks, until when an answer is of use, and whether they are still there.

use crate::data_folder::clients::Principal;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long after its arrival a request is answered at the latest: inside of the guard's limit, whose words are not
/// the tool's.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(28);

/// The one behind a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is.
    pub principal: Principal,
    /// An answer after this reaches nobody.
    pub deadline: Instant,
    left: CancellationToken,
}

impl Caller {
    /// The sender of a request that arrived at `arrived`; `left` is cancelled as soon as nobody waits for its answer.
    pub fn new(principal: Principal, arrived: Instant, left: CancellationToken) -> Caller {
        Caller { principal, deadline: arrived + ANSWER_WITHIN, left }
    }

    /// The program itself, which does not leave.
    pub fn program() -> Caller {
        Caller::new(Principal::program(), Instant::now(), CancellationToken::new())
    }

    /// What `work` comes to; `None`, with the work dropped, where the caller leaves before.
    pub async fn unless_left<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.left.cancelled() => None,
            done = work => Some(done),
        }
    }
}
