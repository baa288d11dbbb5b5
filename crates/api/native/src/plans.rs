//! Plans that a store makes later. The request that needs one waits for it, and is then handled from its beginning with
//! the plans made so far: a store that is ready with its plans, as the embedded one is, never comes here.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ilium_protocol::Envelope;
use ilium_store::{Answer, Error, Prepared, Result};

/// What was planned for one request, by the position of the statement in it.
#[derive(Default)]
pub struct Plans(BTreeMap<usize, Arc<Prepared>>);

/// Why a request goes no further now.
pub enum Halt {
    Failed(Error),
    Waits(Planning),
}

/// A plan to come.
pub struct Planning {
    position: usize,
    plan: Pin<Box<dyn Future<Output = Result<Arc<Prepared>>> + Send>>,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Halt {
        Halt::Failed(error)
    }
}

impl Plans {
    /// The plan of the statement at `position`; `make` asks the store for it, unless it is there already.
    pub fn at(
        &self,
        position: usize,
        make: impl FnOnce() -> Result<Answer<Arc<Prepared>>>,
    ) -> std::result::Result<Arc<Prepared>, Halt> {
        if let Some(made) = self.0.get(&position) {
            return Ok(Arc::clone(made));
        }
        match make()? {
            Answer::Ready(prepared) => Ok(prepared?),
            Answer::Later(plan) => Err(Halt::Waits(Planning { position, plan })),
        }
    }
}

/// A request that can go on, or why it cannot.
pub type Planned = Result<(Envelope, Plans)>;

impl Planning {
    /// Waits for the plan on behalf of a request.
    pub async fn wait(self, envelope: Envelope, mut plans: Plans) -> Planned {
        plans.0.insert(self.position, self.plan.await?);
        Ok((envelope, plans))
    }
}
