//! Tools and prompts that ask the client before they answer (2026-07-28, SEP-2322), in one round or several.

use rmcp::ErrorData;
use rmcp::model::{ClientCapabilities, InputRequest, InputRequests, InputRequiredResult, InputResponses};
use serde::Deserialize;
use serde_json::Value;

// A fixture's seal keeps no secret; it shows that a changed state is noticed.
const SEAL: &str = "tidegate conformance fixtures 2026-11";

/// What is asked, round by round.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Dialogue {
    rounds: Vec<InputRequests>,
}

/// What comes next.
pub enum Reply {
    /// The client has to answer first.
    Ask(InputRequiredResult),
    /// Everything was answered.
    Done(String),
}

impl Dialogue {
    /// Goes on from `state`, which says which round the client was asked; without it, from the first.
    pub fn reply(
        &self,
        name: &str,
        responses: &InputResponses,
        state: Option<&str>,
        capabilities: &ClientCapabilities,
    ) -> Result<Reply, ErrorData> {
        let asked = match state {
            Some(state) => opened(name, state).filter(|round| *round < self.rounds.len()).ok_or_else(|| {
                ErrorData::invalid_params("requestState is not what this server issued; start again without it", None)
            })?,
            None => 0,
        };
        let is_answered = self.rounds[asked].keys().all(|key| responses.get(key).is_some_and(Value::is_object));
        let next = asked + usize::from(is_answered);
        let Some(requests) = self.rounds.get(next) else {
            let answers = serde_json::to_string(responses).unwrap_or_default();
            return Ok(Reply::Done(format!("state-ok, the client answered {answers}")));
        };
        let allowed: InputRequests = requests
            .iter()
            .filter(|(_, request)| is_declared(request, capabilities))
            .map(|(key, request)| (key.clone(), request.clone()))
            .collect();
        Ok(Reply::Ask(InputRequiredResult::new(Some(allowed), Some(sealed(name, next)))))
    }
}

fn is_declared(request: &InputRequest, capabilities: &ClientCapabilities) -> bool {
    match request {
        InputRequest::CreateMessage(_) => capabilities.sampling.is_some(),
        InputRequest::Elicitation(_) => capabilities.elicitation.is_some(),
        InputRequest::ListRoots(_) => capabilities.roots.is_some(),
        _ => false,
    }
}

fn sealed(name: &str, round: usize) -> String {
    let key = blake3::derive_key(SEAL, name.as_bytes());
    format!("{round}-{}", blake3::keyed_hash(&key, &round.to_le_bytes()).to_hex())
}

fn opened(name: &str, state: &str) -> Option<usize> {
    let round = state.split_once('-')?.0.parse().ok()?;
    (sealed(name, round) == state).then_some(round)
}
