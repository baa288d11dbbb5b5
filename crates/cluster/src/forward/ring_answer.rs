//! What a client asks of the ring is answered here: it is to see the gateways, not the nodes.

use std::sync::Arc;

use ilium_protocol::{Envelope, ProtocolVersion, QueryParameters, Request};
use ilium_store::{Error, Frame};

use super::{Way, header};
use crate::cluster::Cluster;
use crate::error::unreachable;
use crate::gateways::{RingQuestion, RingTable};
use crate::link::Link;
use crate::race;
use crate::table::Table;

impl Way {
    pub(super) fn begin_ring_answer(self: &Arc<Self>, stream: i16, frame: Frame, question: RingQuestion) {
        let way = Arc::clone(self);
        tokio::spawn(async move {
            let request = Envelope { header: header(way.version, stream, &frame), body: frame.body };
            let parameters = match Request::decode(&request) {
                Ok((_, Request::Query(query))) => query.parameters,
                Ok((_, Request::Execute(execute))) => execute.parameters,
                _ => QueryParameters::default(),
            };
            let answer = answer(&way.cluster, &question, way.version, &parameters).await;
            way.give_at_once(stream, answer);
        });
    }
}

async fn answer(
    cluster: &Cluster,
    question: &RingQuestion,
    version: ProtocolVersion,
    parameters: &QueryParameters<'_>,
) -> Result<Frame, Error> {
    let (local, asked) = ask(cluster, question.table).await?;
    question.answer(&cluster.gateways, &cluster.facts.cluster_name, &local, &asked, version, parameters)
}

/// By the control link; where its node takes its time, by links to others. No driver starts without an answer.
async fn ask(cluster: &Cluster, table: RingTable) -> Result<(Table, Table), Error> {
    let control = cluster.control();
    let watched = control.as_ref().map(|link| link.address);
    let others = cluster.own_links().into_iter().filter(|link| Some(link.address) != watched);
    let links: Vec<Arc<Link>> = control.into_iter().chain(others).collect();
    let nobody = unreachable("no node of the cluster can be reached");
    race::first_of(links, |link| read(link, table), |_| false, nobody).await
}

/// `system.local` of a node, and the table that is asked for.
async fn read(link: Arc<Link>, table: RingTable) -> Result<(Table, Table), Error> {
    let local = link.query("SELECT * FROM system.local WHERE key = 'local'").await?;
    let asked = match table {
        RingTable::Local => local.clone(),
        RingTable::Peers => link.query("SELECT * FROM system.peers").await?,
        RingTable::PeersV2 => link.query("SELECT * FROM system.peers_v2").await?,
    };
    Ok((local, asked))
}
