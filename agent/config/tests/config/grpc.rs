//! Documents over gRPC: what is in force, what follows, and who sees secrets.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use config::{
    Access, Denied, DocumentId, Happened, Hooks, Masker, Right, Watcher,
    caller::{ByPeer, Door, Reader, Tokens},
    listen::Listener,
    roles::Ledger,
    serve::{
        Server,
        grpc::v1::{
            GetConfigRequest, WatchConfigRequest, WatchConfigResponse, config_client::ConfigClient,
        },
    },
};
use tokio::{net::TcpListener, sync::watch};
use tonic::{Code, Request, Streaming, transport::Channel};

use crate::{
    serve::Prefix,
    support::{Folder, Node, definition, running},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One token.
struct One;

impl Tokens for One {
    fn accessor(&self, secret: &str) -> Option<String> {
        (secret == "s3cret").then(|| "a1".to_owned())
    }
}

/// Secrets are for the token, documents for all but those called `private`.
struct ByToken;

impl Access<Reader> for ByToken {
    fn check(&self, reader: &Reader, right: Right, id: &DocumentId) -> Result<(), Denied> {
        let has_token = reader.name.starts_with("token ");
        match (right, has_token) {
            (Right::Read, _) if id.name() != "private" => Ok(()),
            (_, true) => Ok(()),
            _ => Err(Denied {
                rule: "no_token".to_owned(),
            }),
        }
    }
}

struct Serving {
    client: ConfigClient<Channel>,
    end: watch::Sender<bool>,
}

impl Serving {
    async fn of(node: &Node) -> Self {
        let masker = Arc::new(Masker::new());
        let server = Server {
            documents: Arc::clone(node.watcher.documents()),
            access: Arc::new(ByToken),
            mask: Arc::clone(&masker) as _,
            door: Door::new(Arc::new(ByPeer), Arc::new(One)),
            ledger: Ledger::new(Arc::clone(&node.store), masker),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("bound");
        let address = listener.local_addr().expect("known");
        let (end, ends) = watch::channel(false);
        tokio::spawn(Arc::new(server).serve_grpc(Listener::Tcp(listener), ends));
        let channel = Channel::from_shared(format!("http://{address}")).expect("an address");
        let channel = channel.connect().await.expect("connected");
        Self {
            client: ConfigClient::new(channel),
            end,
        }
    }

    async fn watch(&mut self, from_revision: u64) -> Streaming<WatchConfigResponse> {
        let asked = WatchConfigRequest {
            namespace: "dev".to_owned(),
            name: "app".to_owned(),
            from_revision,
        };
        let answer = self.client.watch_config(asked).await;
        answer.expect("answered").into_inner()
    }
}

async fn next(stream: &mut Streaming<WatchConfigResponse>) -> Option<WatchConfigResponse> {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await;
    message.expect("in time").expect("no error")
}

fn asked(name: &str) -> GetConfigRequest {
    GetConfigRequest {
        namespace: "dev".to_owned(),
        name: name.to_owned(),
    }
}

#[tokio::test]
async fn who_follows_is_told_every_generation_that_is_the_newest() {
    let folder = Folder::new();
    let (mut node, _handle, _file) = running(&folder).await;
    let mut serving = Serving::of(&node).await;
    let mut stream = serving.watch(0).await;
    let first = next(&mut stream).await.expect("a message");
    let document = first.document.expect("a document");
    assert_eq!(
        (document.generation, document.json.as_str()),
        (1, "{\"port\":1}")
    );
    assert_eq!(first.revision, document.revision);

    folder.write("app.yaml", "port: 2\n");
    let second = next(&mut stream).await.expect("a message");
    assert!(second.revision > first.revision);
    let document = second.document.expect("a document");
    assert_eq!(
        (document.generation, document.json.as_str()),
        (2, "{\"port\":2}")
    );
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });

    // Whoever comes back is told what is new only.
    folder.write("app.yaml", "port: 3\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
    let mut again = serving.watch(second.revision).await;
    let third = next(&mut again).await.expect("a message");
    assert_eq!(third.document.expect("a document").generation, 3);
    serving.end.send_replace(true);
    assert_eq!(next(&mut again).await, None);
}

#[tokio::test]
async fn secrets_are_masked_for_those_who_may_not_see_them() {
    let folder = Folder::new();
    let file = folder.write("app.yaml", "port: 1\nname: sealed:hunter2\n");
    let mut node = Node::start(&folder);
    let hooks = Hooks {
        decrypt: Some(Arc::new(Prefix)),
        ..Hooks::default()
    };
    node.watcher = Watcher::new(Arc::clone(&node.store), hooks);
    let _handle = node.watcher.watch(definition(&file)).await;
    let mut serving = Serving::of(&node).await;
    let masked = serving
        .client
        .get_config(asked("app"))
        .await
        .expect("told")
        .into_inner();
    assert_eq!(
        (masked.masked, masked.json.as_str()),
        (true, "{\"name\":\"***\",\"port\":1}")
    );

    let with = |name: &str, secret: &str| {
        let mut request = Request::new(asked(name));
        let bearer = format!("Bearer {secret}").parse().expect("a value");
        request.metadata_mut().insert("authorization", bearer);
        request
    };
    let open = serving
        .client
        .get_config(with("app", "s3cret"))
        .await
        .expect("told")
        .into_inner();
    assert_eq!(
        (open.masked, open.json.as_str()),
        (false, "{\"name\":\"hunter2\",\"port\":1}")
    );

    let code = |answer: Result<_, tonic::Status>| answer.map(drop).expect_err("refused").code();
    let wrong = serving.client.get_config(with("app", "guessed")).await;
    assert_eq!(code(wrong), Code::Unauthenticated);
    assert_eq!(
        code(serving.client.get_config(asked("private")).await),
        Code::PermissionDenied
    );
    assert_eq!(
        code(serving.client.get_config(with("private", "s3cret")).await),
        Code::NotFound
    );
    assert_eq!(
        code(serving.client.get_config(asked("a/b")).await),
        Code::InvalidArgument
    );
}
