package example

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"golens.test/targets/example/internal/node"
	pb "golens.test/targets/example/internal/registrypb"
	"golens.test/targets/internal/authority"
)

// dial connects; a client without trust speaks without encryption.
func dial(t *testing.T, address string, trust *authority.Authority, shown *authority.Pair) pb.RegistryClient {
	t.Helper()
	shake := insecure.NewCredentials()
	if trust != nil {
		text, err := os.ReadFile(trust.File)
		must(t, err)
		config := &tls.Config{RootCAs: x509.NewCertPool()}
		config.RootCAs.AppendCertsFromPEM(text)
		if shown != nil {
			pair, err := tls.LoadX509KeyPair(shown.Certificate, shown.Key)
			must(t, err)
			// Also one that the server's list of authorities says is useless.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		shake = credentials.NewTLS(config)
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(shake))
	must(t, err)
	t.Cleanup(func() { connection.Close() })
	return pb.NewRegistryClient(connection)
}

// register returns the status of a registration in a namespace.
func register(t *testing.T, client pb.RegistryClient, token, namespace string) *status.Status {
	t.Helper()
	ctx := t.Context()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	_, err := client.Register(ctx, &pb.RegisterRequest{
		Instance: &pb.Instance{Id: &pb.InstanceId{Namespace: namespace, Id: "web-1"}, Service: "web", Port: 80},
		Checks:   []*pb.Check{{Probe: &pb.Check_Ttl{Ttl: &pb.Ttl{Ttl: durationpb.New(patience)}}}},
	})
	return status.Convert(err)
}

// expect compares a status with the code, and with what its sentence must say.
func expect(t *testing.T, what string, got *status.Status, code codes.Code, says string) {
	t.Helper()
	if got.Code() != code || !strings.Contains(got.Message(), says) {
		t.Errorf("%s: %v %q, not %v with %q", what, got.Code(), got.Message(), code, says)
	}
}

func TestATokenReachesAsFarAsItSaysWithAndWithoutEncryption(t *testing.T) {
	t.Parallel()
	own := authority.New(t)
	server := own.Sign(t, "node")
	n := node.New(t)
	writer, reader := n.Token(t, "shop", "write"), n.Token(t, "shop", "read")
	n.GRPCS = "127.0.0.1:0"
	n.Run(t, "--default-policy", "deny", "--cert", server.Certificate, "--key", server.Key)

	for name, client := range map[string]pb.RegistryClient{
		"plain":     dial(t, n.GRPC, nil, nil),
		"encrypted": dial(t, n.GRPCS, own, nil),
	} {
		expect(t, name+", writer", register(t, client, writer, "shop"), codes.OK, "")
		expect(t, name+", elsewhere", register(t, client, writer, "bank"),
			codes.PermissionDenied, "has no right to write in namespace bank")
		expect(t, name+", reader", register(t, client, reader, "shop"),
			codes.PermissionDenied, "has no right to write in namespace shop")
		expect(t, name+", nobody", register(t, client, "", "shop"),
			codes.PermissionDenied, "has no right to write in namespace shop")
		expect(t, name+", a guess", register(t, client, "guess", "shop"),
			codes.Unauthenticated, "the token is not known")
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-consul-token", reader)
		found, err := client.Resolve(ctx, &pb.ResolveRequest{Namespace: "shop", Service: "web"})
		if len(found.GetInstances()) != 1 {
			t.Errorf("%s: the reader sees %v, %v", name, found, err)
		}
	}
	// Each end finds out what the other one is not.
	stranger := dial(t, n.GRPCS, authority.New(t), nil)
	expect(t, "the client trusts others", register(t, stranger, writer, "shop"),
		codes.Unavailable, "certificate signed by unknown authority")
	plain := dial(t, n.GRPCS, nil, nil)
	if got := register(t, plain, writer, "shop"); got.Code() != codes.Unavailable {
		t.Errorf("without encryption where there is one: %v", got)
	}
}

func TestACertificateReachesAsFarAsItsNames(t *testing.T) {
	t.Parallel()
	own, other := authority.New(t), authority.New(t)
	server := own.Sign(t, "node")
	shop := own.Sign(t, "shop", "spiffe://prod/ns/shop/sa/web")
	nobody, stranger := own.Sign(t, "nobody"), other.Sign(t, "stranger", "spiffe://prod/ns/shop/sa/web")
	n := node.New(t)
	reader := n.Token(t, "bank", "read")
	n.GRPCS = "127.0.0.1:0"
	n.Run(t, "--default-policy", "deny", "--cert", server.Certificate, "--key", server.Key, "--client-ca", own.File,
		"--allow-certificate", "spiffe://prod/ns/shop/*=shop:write")

	client := dial(t, n.GRPCS, own, &shop)
	expect(t, "its own namespace", register(t, client, "", "shop"), codes.OK, "")
	expect(t, "another namespace", register(t, client, "", "bank"), codes.PermissionDenied,
		"spiffe://prod/ns/shop/sa/web")
	// A token is shown on purpose: its rights count.
	expect(t, "with a token", register(t, client, reader, "shop"), codes.PermissionDenied,
		"has no right to write in namespace shop")
	expect(t, "a name without a rule", register(t, dial(t, n.GRPCS, own, &nobody), "", "shop"),
		codes.PermissionDenied, "nobody")
	expect(t, "no certificate", register(t, dial(t, n.GRPCS, own, nil), "", "shop"),
		codes.Unavailable, "")
	expect(t, "somebody else's certificate", register(t, dial(t, n.GRPCS, own, &stranger), "", "shop"),
		codes.Unavailable, "")

	// Streams have the same rights.
	id := &pb.InstanceId{Namespace: "shop", Id: "web-1"}
	beats, err := client.KeepAlive(t.Context())
	must(t, err)
	must(t, beats.Send(&pb.KeepAliveRequest{Id: id}))
	answer, err := beats.Recv()
	must(t, err)
	if !answer.GetKnown() {
		t.Error("a heartbeat of the instance is not known")
	}
	for namespace, code := range map[string]codes.Code{"shop": codes.OK, "bank": codes.PermissionDenied} {
		watch, err := client.Watch(t.Context(), &pb.WatchRequest{Namespace: namespace, Service: "web"})
		must(t, err)
		first, err := watch.Recv()
		if status.Code(err) != code || len(first.GetInstances()) != map[codes.Code]int{codes.OK: 1}[code] {
			t.Errorf("a watch in %s: %v, %v", namespace, first, err)
		}
	}
}
