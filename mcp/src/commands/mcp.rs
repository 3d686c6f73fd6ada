//! `tidegate mcp`: a client's way to the engine of a folder, and the engine itself while nobody else runs one.

use super::serve;
use crate::cli::Owner;
use crate::config::Sources;
use crate::data_folder::{DataFolder, Endpoint, NoOwner};
use crate::stdio;
use crate::wire::Data;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

// How long a folder is without an engine at most before somebody notices.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
// An engine that cannot run here will hardly run a moment later.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// Speaks for the engine on standard input and output until stdin ends or a signal comes.
///
/// # Errors
/// Where the replay that was named does not run, or stdin and stdout cannot be used.
pub fn run(root: DataFolder, owner: &Owner, sources: &Sources) -> anyhow::Result<()> {
    if let Some(client) = &owner.client {
        // Better told now than on the first question.
        root.client_bearer(client)?;
    }
    let shown = Shown { root: root.clone(), client: owner.client.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = match &owner.replay {
        Some(name) => {
            let replay = root.replay(name)?;
            // What is to be played is not known here: better told now than on the first question.
            replay.find_owner()?;
            runtime.block_on(until_signalled(move || shown.to(replay.find_owner()?)))
        }
        None => {
            let heir = Arc::new(Heir::new(root, sources.clone()));
            let waiting = heir.wait()?;
            let finder = Arc::clone(&heir);
            let served = runtime.block_on(until_signalled(move || shown.to(finder.find()?)));
            heir.stop.cancel();
            waiting.thread().unpark();
            // An engine that ran here closes its recording; the folder is free for the next owner then.
            drop(waiting.join());
            served
        }
    };
    // Tokio reads stdin on a thread that only the end of stdin would release.
    runtime.shutdown_background();
    served
}

/// Whose bearer is shown to an owner.
struct Shown {
    root: DataFolder,
    /// `None`: the program itself.
    client: Option<String>,
}

impl Shown {
    /// An owner that will see the client's bearer.
    fn to(&self, endpoint: Endpoint) -> Result<Endpoint, NoOwner> {
        let Some(client) = &self.client else { return Ok(endpoint) };
        let bearer = self.root.client_bearer(client).map_err(NoOwner::Failed)?;
        Ok(Endpoint { bearer, ..endpoint })
    }
}

async fn until_signalled(find: impl Fn() -> Result<Endpoint, NoOwner> + Send + Sync + 'static) -> anyhow::Result<()> {
    tokio::select! {
        served = stdio::proxy(find) => served,
        () = serve::signalled()? => Ok(()),
    }
}

/// One of the processes that run the engine of a folder when nobody does: whoever gets the lock.
///
/// Only a simulated market is continued. What came from a venue or a recording is not replaced by
/// invented prices behind a client's back: neither what this client was told of last, nor what the folder's last
/// owner was.
struct Heir {
    folder: DataFolder,
    sources: Sources,
    known: Mutex<Known>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Known {
    /// What the prices were of the engine that was found last.
    data: Option<Data>,
    /// Why no engine could be run here.
    failure: Option<String>,
}

impl Heir {
    fn new(folder: DataFolder, sources: Sources) -> Heir {
        Heir { folder, sources, known: Mutex::default(), stop: CancellationToken::new() }
    }

    /// The owner; while there is none and this process would be it, one that is starting.
    fn find(&self) -> Result<Endpoint, NoOwner> {
        let found = self.folder.find_owner();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(endpoint) => {
                *known = Known { data: Some(endpoint.data), failure: None };
                Ok(endpoint)
            }
            Err(NoOwner::Absent { folder, last: None, .. })
                if known.data.is_none_or(|data| data == Data::Simulated) =>
            {
                Err(match &known.failure {
                    Some(failure) => {
                        NoOwner::Failed(anyhow::anyhow!("no engine can run on {}: {failure}", folder.display()))
                    }
                    None => NoOwner::Starting { folder, process: "this process".to_owned() },
                })
            }
            Err(other) => Err(other),
        }
    }

    /// Waits for the folder to be free on a thread of its own, and then owns it.
    fn wait(self: &Arc<Heir>) -> anyhow::Result<JoinHandle<()>> {
        let heir = Arc::clone(self);
        let wait = move || {
            while !heir.stop.is_cancelled() {
                thread::park_timeout(heir.look());
            }
        };
        Ok(thread::Builder::new().name("heir".to_owned()).spawn(wait)?)
    }

    /// Runs the engine where nobody else does; returns how long to wait before looking again.
    fn look(&self) -> Duration {
        let is_vacant = match self.find() {
            Err(NoOwner::Starting { .. } | NoOwner::Failed(_)) => true,
            Ok(_) | Err(_) => false,
        };
        if !is_vacant {
            return LOOK_INTERVAL;
        }
        let Err(reason) = self.succeed() else { return LOOK_INTERVAL };
        tracing::error!("no engine can run on {}: {reason:#}", self.folder.path().display());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(format!("{reason:#}"));
        FAILURE_PAUSE
    }

    /// Runs the engine until it ends, unless somebody else does, or a person is about to.
    fn succeed(&self) -> anyhow::Result<()> {
        if self.folder.is_claimed()? {
            return Ok(());
        }
        match self.folder.inherit()? {
            // Its own: it leaves for a person's, and this process goes on.
            Some(lock) => serve::succeed(&self.folder, lock, &self.sources, self.stop.child_token()),
            None => Ok(()),
        }
    }
}
