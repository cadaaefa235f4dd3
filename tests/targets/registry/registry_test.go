package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

func decoded(t *testing.T, message proto.Message) map[string]any {
	t.Helper()
	text, err := protojson.Marshal(message)
	must(t, err)
	var fields map[string]any
	must(t, json.Unmarshal(text, &fields))
	return fields
}

// ids lists the instances, or the ids, of an answer.
func ids(list any) string {
	found := []string{}
	items, _ := list.([]any)
	for _, item := range items {
		fields := item.(map[string]any)
		if id, ok := fields["id"].(map[string]any); ok {
			fields = id
		}
		found = append(found, fields["id"].(string))
	}
	return fmt.Sprint(found)
}

func register(t *testing.T, ctx context.Context, c *client, service, id, tag string) {
	t.Helper()
	_, err := c.call(t, ctx, "Register", fmt.Sprintf(`{
		"instance": {"id": {"id": %q}, "service": %q, "port": 8080, "tags": [%q]},
		"checks": [{"ttl": {"ttl": "60s"}, "status": "STATUS_PASSING"}]}`, id, service, tag))
	must(t, err)
}

func TestTheServerIsHealthy(t *testing.T) {
	c, ctx := connect(t)
	answer, err := grpc_health_v1.NewHealthClient(c).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	must(t, err)
	if answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Fatal(answer.Status)
	}
}

func TestATagIsResolvedAndFallsBackToTheNamespace(t *testing.T) {
	c, ctx := connect(t)
	register(t, ctx, c, "shop", "shop-1", "stable")
	register(t, ctx, c, "shop", "shop-2", "canary")
	for tag, want := range map[string]string{
		"canary": "MATCHED_TAG [shop-2]", "nobody": "MATCHED_NAMESPACE [shop-1 shop-2]",
	} {
		answer, err := c.call(t, ctx, "Resolve", fmt.Sprintf(`{"service": "shop", "tags": [%q]}`, tag))
		must(t, err)
		if got := fmt.Sprint(answer["matched"], " ", ids(answer["instances"])); got != want {
			t.Fatalf("%s: got %s, want %s", tag, got, want)
		}
	}
	_, err := c.call(t, ctx, "Deregister", `{"id": {"id": "nobody"}}`)
	if status.Code(err) != codes.NotFound {
		t.Fatal(err)
	}
}

// stream opens a stream of a method and sends one request.
func (c *client) stream(t *testing.T, ctx context.Context, name, request string) (grpc.ClientStream, *dynamicpb.Message) {
	t.Helper()
	path, message, answer := c.method(t, name, request)
	description := &grpc.StreamDesc{ServerStreams: true, ClientStreams: name == "KeepAlive"}
	stream, err := c.NewStream(ctx, description, path)
	must(t, err)
	must(t, stream.SendMsg(message))
	return stream, answer
}

func TestAWatchSeesWhatChanges(t *testing.T) {
	c, ctx := connect(t)
	register(t, ctx, c, "desk", "desk-1", "a")
	stream, answer := c.stream(t, ctx, "Watch", `{"service": "desk"}`)
	must(t, stream.CloseSend())
	next := func(want string) map[string]any {
		t.Helper()
		must(t, stream.RecvMsg(answer))
		fields := decoded(t, answer)
		if got := fmt.Sprint(fields["kind"], " ", ids(fields["instances"]), " ", ids(fields["removed"])); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		return fields
	}
	next("KIND_SNAPSHOT [desk-1] []")
	register(t, ctx, c, "desk", "desk-2", "b")
	next("KIND_DELTA [desk-2] []")
	_, err := c.call(t, ctx, "SetTags", `{"id": {"id": "desk-2"}, "tags": ["c", "d"]}`)
	must(t, err)
	tags := next("KIND_DELTA [desk-2] []")["instances"].([]any)[0].(map[string]any)["tags"]
	if fmt.Sprint(tags) != "[c d]" {
		t.Fatal(tags)
	}
	_, err = c.call(t, ctx, "Deregister", `{"id": {"id": "desk-1"}}`)
	must(t, err)
	next("KIND_DELTA [] [desk-1]")
}

// A node has hundreds of services, and grpc-go has one connection for all of them.
func TestOneConnectionFollowsManyServices(t *testing.T) {
	c, ctx := connect(t)
	for number := range 300 {
		stream, answer := c.stream(t, ctx, "Watch", fmt.Sprintf(`{"service": "many-%d"}`, number))
		must(t, stream.RecvMsg(answer))
	}
}

func TestHeartbeatsAreAnswered(t *testing.T) {
	c, ctx := connect(t)
	register(t, ctx, c, "lamp", "lamp-1", "a")
	stream, answer := c.stream(t, ctx, "KeepAlive", `{"id": {"id": "lamp-1"}, "status": "STATUS_WARNING", "output": "dim"}`)
	must(t, stream.RecvMsg(answer))
	if fields := decoded(t, answer); fields["known"] != true || fields["ttl"] != "60s" {
		t.Fatal(fields)
	}
	resolved, err := c.call(t, ctx, "Resolve", `{"service": "lamp"}`)
	must(t, err)
	if health := resolved["instances"].([]any)[0].(map[string]any)["health"]; health != "HEALTH_WARNING" {
		t.Fatal(health)
	}
}
