//! Whatever is done, views and indexes are those of a plain model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use registry::{
    Changed, Registry, Revision,
    model::{Registration, Status},
};

use crate::folder::{Folder, NODE, NS, check_key, ids, index, key, me, with_ttl};

const SERVICES: [&str; 3] = ["a", "b", "c"];
const IDS: [&str; 5] = ["1", "2", "3", "4", "5"];

#[derive(Clone, Debug)]
enum Step {
    Register(usize, usize, bool),
    Deregister(usize),
    Status(usize, Status),
    NodeMaintenance(bool),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0..IDS.len();
    let status = prop_oneof![Just(Status::Passing), Just(Status::Critical)];
    let step = prop_oneof![
        6 => (id.clone(), 0..SERVICES.len(), any::<bool>())
            .prop_map(|(id, service, tag)| Step::Register(id, service, tag)),
        4 => id.clone().prop_map(Step::Deregister),
        4 => (id, status).prop_map(|(id, status)| Step::Status(id, status)),
        1 => any::<bool>().prop_map(Step::NodeMaintenance),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..30)
}

/// What is known of an instance: service, whether it has the tag, status.
type Known = (usize, bool, Status);

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    instances: BTreeMap<usize, Known>,
    maintenance: bool,
}

impl Model {
    fn of(&self, service: usize) -> (Vec<(usize, Known)>, bool) {
        let instances = self
            .instances
            .iter()
            .filter(|(_, known)| known.0 == service);
        let instances: Vec<_> = instances.map(|(id, known)| (*id, *known)).collect();
        // A node without instances of the service does not concern it.
        let maintenance = self.maintenance && !instances.is_empty();
        (instances, maintenance)
    }

    fn names_and_tags(&self) -> BTreeSet<(usize, Option<bool>)> {
        let known = self.instances.values();
        known
            .flat_map(|(service, tag, _)| [(*service, None), (*service, Some(*tag))])
            .filter(|(_, tag)| *tag != Some(false))
            .collect()
    }
}

fn registration(id: usize, service: usize, tag: bool) -> Registration {
    let mut registration = with_ttl(
        SERVICES[service],
        IDS[id],
        std::time::Duration::from_secs(3600),
    );
    if tag {
        registration.tags.push("tag".to_owned());
    }
    registration
}

/// Carries a step out, in both. Returns what the registry said.
async fn carry_out(registry: &Registry, model: &mut Model, step: &Step) -> Option<Changed> {
    match *step {
        Step::Register(id, service, tag) => {
            model.instances.insert(id, (service, tag, Status::Passing));
            let registration = registration(id, service, tag);
            Some(registry.register(registration, &me()).await.unwrap())
        }
        Step::Deregister(id) => {
            let was = model.instances.remove(&id).is_some();
            let said = registry.deregister(&key(IDS[id]), &me()).await;
            assert_eq!(said.is_ok(), was);
            said.ok()
        }
        Step::Status(id, status) => {
            let known = model.instances.get_mut(&id);
            let is_known = known.map(|known| known.2 = status).is_some();
            let check = check_key(&format!("c-{}", IDS[id]));
            let said = registry.heartbeat(&check, status, "", &me()).await;
            assert_eq!(said.is_ok(), is_known);
            said.ok()
        }
        Step::NodeMaintenance(on) => {
            model.maintenance = on;
            let reason = on.then(|| "why".to_owned());
            let said = registry
                .set_node_maintenance(&NODE.into(), reason, &me())
                .await;
            Some(said.unwrap())
        }
        Step::Reopen => None,
    }
}

fn compare(registry: &Registry, model: &Model) {
    for (number, service) in SERVICES.iter().enumerate() {
        let (instances, maintenance) = model.of(number);
        let wanted: Vec<_> = instances.iter().map(|(id, _)| IDS[*id]).collect();
        assert_eq!(ids(registry, service), wanted);
        let healthy = instances
            .iter()
            .filter(|(_, known)| known.2 == Status::Passing);
        let healthy = if maintenance { 0 } else { healthy.count() };
        let view = registry.service(NS, service).unwrap();
        assert_eq!(view.passing().count(), healthy);
    }
    let listed = registry.services(NS);
    let listed = listed.services.iter().map(|s| s.key.service.to_string());
    let wanted: BTreeSet<_> = model
        .instances
        .values()
        .map(|known| SERVICES[known.0])
        .collect();
    assert!(listed.eq(wanted));
    assert_eq!(
        registry.statistics().instances,
        model.instances.len() as u64
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn an_index_moves_exactly_when_its_content_does(steps in steps()) {
        let folder = Folder::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut registry = folder.open().await;
            let mut model = Model::default();
            let indexes = |registry: &Registry| SERVICES.map(|service| index(registry, service));
            let mut known: [Revision; 3] = indexes(&registry);
            let mut list = registry.services(NS).index;
            for step in &steps {
                let before = model.clone();
                let said = carry_out(&registry, &mut model, step).await;
                if matches!(step, Step::Reopen) {
                    drop(registry);
                    registry = folder.open().await;
                }
                compare(&registry, &model);
                if let Some(said) = said {
                    assert_eq!(said.changed, model != before, "{step:?}");
                    for (service, index) in known.iter_mut().enumerate() {
                        if model.of(service) != before.of(service) {
                            *index = said.revision;
                        }
                    }
                    if model.names_and_tags() != before.names_and_tags() {
                        list = said.revision;
                    }
                }
                assert_eq!(indexes(&registry), known, "{step:?}");
                assert_eq!(registry.services(NS).index, list, "{step:?}");
            }
        });
    }
}
