//! One question to one answer, bytes to bytes.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RecordType},
};

use super::{Options, Zone, answer::Answer, encode::encode, name, reverse, shuffle::Shuffle};
use crate::{Registry, model, resolve::BY_DNS};

/// Bytes of an answer by UDP when the asker says nothing else.
const UDP_BYTES: u16 = 512;
/// Bytes of an answer by UDP whatever the asker says: longer ones are cut up on the way.
const MOST_UDP_BYTES: u16 = 4096;

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// Answers questions from a registry.
pub struct Resolver {
    pub(super) registry: Registry,
    pub(super) options: Options,
    pub(super) shuffle: Shuffle,
    /// Name of all who ask.
    pub(super) asker: model::Name,
}

impl Resolver {
    /// A resolver.
    #[must_use]
    pub fn new(registry: Registry, options: Options) -> Self {
        Self {
            registry,
            options,
            shuffle: Shuffle::new(),
            asker: BY_DNS.into(),
        }
    }

    /// The answer to a message; `None` for what is no question at all.
    pub(super) fn answer(&self, message: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let request = match Message::from_vec(message) {
            Ok(request) => request,
            Err(_malformed) => return malformed(message),
        };
        if request.metadata.message_type != MessageType::Query {
            // Answering an answer could go on for ever.
            return None;
        }
        let limit = match (transport, &request.edns) {
            (Transport::Tcp, _) => u16::MAX,
            (Transport::Udp, Some(edns)) => edns.max_payload().clamp(UDP_BYTES, MOST_UDP_BYTES),
            (Transport::Udp, None) => UDP_BYTES,
        };
        let (id, code) = (request.metadata.id, request.metadata.op_code);
        let response = self.respond(request);
        match encode(response, limit) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                tracing::warn!(%error, "a DNS answer cannot be encoded");
                Message::error_msg(id, code, ResponseCode::ServFail)
                    .to_vec()
                    .ok()
            }
        }
    }

    fn respond(&self, request: Message) -> Message {
        let mut response = Message::response(request.metadata.id, request.metadata.op_code);
        response.metadata.recursion_desired = request.metadata.recursion_desired;
        if let Some(asked) = &request.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(MOST_UDP_BYTES);
            response.edns = Some(edns);
            if asked.version() > 0 {
                response.metadata.response_code = ResponseCode::BADVERS;
                return response;
            }
        }
        response.metadata.response_code = match (request.metadata.op_code, &*request.queries) {
            (OpCode::Query, [query]) => self.fill(query, &mut response),
            (OpCode::Query, _) => ResponseCode::FormErr,
            _ => ResponseCode::NotImp,
        };
        response.queries = request.queries;
        response
    }

    /// Puts the records into `response`.
    fn fill(&self, query: &Query, response: &mut Message) -> ResponseCode {
        let is_transfer = matches!(query.query_type, RecordType::AXFR | RecordType::IXFR);
        let is_internet = matches!(query.query_class, DNSClass::IN | DNSClass::ANY);
        let address = reverse::parse(&query.name);
        let zone = match address {
            Some(_) => self.options.zones.first().map(|Zone(zone)| zone),
            None => self.zone_of(&query.name),
        };
        let Some(zone) = zone.filter(|_| is_internet && !is_transfer) else {
            return ResponseCode::Refused;
        };
        response.metadata.authoritative = true;
        let mut answer = Answer::new(self, zone, query);
        let meaning = || self.meaning(&query.name, zone);
        let code = match address {
            Some(address) => answer.point_at(address),
            None => meaning().map_or(ResponseCode::NXDomain, |meaning| answer.take(&meaning)),
        };
        if answer.answers.is_empty() && code != ResponseCode::Refused {
            response.authorities.extend(answer.soa());
        }
        response.answers = answer.answers;
        response.additionals = answer.additionals;
        code
    }

    fn meaning(&self, name: &Name, zone: &Name) -> Option<name::Meaning> {
        let name = name.to_lowercase();
        let count = usize::from(name.num_labels().checked_sub(zone.num_labels())?);
        let labels = name.iter().take(count).map(std::str::from_utf8);
        let labels = labels.collect::<Result<Vec<_>, _>>().ok()?;
        name::parse(&labels, &self.options.datacenter)
    }

    /// The longest zone that `name` is in.
    fn zone_of(&self, name: &Name) -> Option<&Name> {
        let zones = self.options.zones.iter().map(|Zone(zone)| zone);
        zones
            .filter(|zone| zone.zone_of(name))
            .max_by_key(|zone| zone.num_labels())
    }
}

/// FORMERR under the id of the message, when it has one and is a question.
fn malformed(message: &[u8]) -> Option<Vec<u8>> {
    let [high, low, flags, ..] = message else {
        return None;
    };
    let is_answer = flags & 0x80 != 0;
    let id = u16::from_be_bytes([*high, *low]);
    let refusal = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
    (!is_answer).then(|| refusal.to_vec().ok()).flatten()
}
