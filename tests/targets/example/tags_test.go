package example

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"golens.test/targets/example/internal/node"
	pb "golens.test/targets/example/internal/registrypb"
)

// changes is how often the tags of an instance change while two watchers look.
const changes = 200

// Every change of a tag is seen by whoever follows, once and in order. How fast, is printed and not judged.
func TestEveryChangeOfATagIsSeenOnceAndInOrder(t *testing.T) {
	t.Parallel()
	n := node.Start(t)
	connection, err := grpc.NewClient(n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	defer connection.Close()
	registry := pb.NewRegistryClient(connection)
	id := &pb.InstanceId{Namespace: "prod", Id: "web-1"}
	_, err = registry.Register(t.Context(), &pb.RegisterRequest{Instance: &pb.Instance{Id: id, Service: "web", Port: 80}})
	must(t, err)
	watch, err := registry.Watch(t.Context(), &pb.WatchRequest{Namespace: "prod", Service: "web"})
	must(t, err)
	first, err := watch.Recv()
	must(t, err)
	if first.GetKind() != pb.Kind_KIND_SNAPSHOT {
		t.Fatalf("the first message is %v", first)
	}
	polled := poll(t, client(t, n, "prod"), first.GetRevision())

	var pushes, polls []time.Duration
	for number := range changes {
		want := fmt.Sprintf("[step-%d]", number)
		start := time.Now()
		_, err := registry.SetTags(t.Context(), &pb.SetTagsRequest{Id: id, Tags: []string{fmt.Sprintf("step-%d", number)}})
		must(t, err)
		told, err := watch.Recv()
		must(t, err)
		pushes = append(pushes, time.Since(start))
		if told.GetKind() != pb.Kind_KIND_DELTA || len(told.GetInstances()) != 1 || fmt.Sprint(told.GetInstances()[0].GetTags()) != want {
			t.Fatalf("step %d is told as %v", number, told)
		}
		if got := <-polled; got != want {
			t.Fatalf("step %d is polled as %s", number, got)
		}
		polls = append(polls, time.Since(start))
	}
	for what, times := range map[string][]time.Duration{"gRPC watch": pushes, "long poll": polls} {
		slices.Sort(times)
		fmt.Printf("SetTags to %s: median %v, p99 %v, slowest %v of %d\n",
			what, times[changes/2], times[changes*99/100], times[changes-1], changes)
	}
}

// poll follows the tags of the service by Consul's blocking queries, and tells them as they change.
func poll(t *testing.T, c *api.Client, index uint64) <-chan string {
	tags := make(chan string, changes)
	go func() {
		for range changes {
			options := &api.QueryOptions{WaitIndex: index}
			entries, meta, err := c.Health().Service("web", "", false, options.WithContext(t.Context()))
			if err != nil || len(entries) != 1 {
				tags <- fmt.Sprintf("%d entries, %v", len(entries), err)
				return
			}
			index = meta.LastIndex
			tags <- fmt.Sprint(entries[0].Service.Tags)
		}
	}()
	return tags
}
