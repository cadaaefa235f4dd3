// Command load sends HTTP requests over a fixed number of connections and counts what came back.
//
// It speaks HTTP/1.1 itself and never repeats a request, so its count is the number of requests the
// server saw. Every request carries a traceparent of its own.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// keptTraces is how many trace ids the summary lists.
const keptTraces = 1000

// target is one kind of request; `{n}` in the path counts its requests from 1.
type target struct {
	method, host, path string
}

// targets collects repeated -url flags; each is an address, with a method before it if it is not GET.
type targets []target

func (t *targets) String() string { return fmt.Sprint(*t) }

func (t *targets) Set(text string) error {
	method, address, found := strings.Cut(text, " ")
	if !found {
		method, address = "GET", text
	}
	rest, ok := strings.CutPrefix(address, "http://")
	if !ok {
		return fmt.Errorf("%q does not start with http://", address)
	}
	host, path, _ := strings.Cut(rest, "/")
	*t = append(*t, target{method, host, "/" + path})
	return nil
}

// plan is what the flags ask for.
type plan struct {
	targets     targets
	body        string
	connections int
	traceField  bool
}

// summary is what the program prints; trace ids are in the order the requests were begun.
type summary struct {
	Requests        int            `json:"requests"`
	Statuses        map[string]int `json:"statuses"`
	DurationSeconds float64        `json:"duration_seconds"`
	TraceIDs        []string       `json:"trace_ids"`
}

func main() {
	var p plan
	flag.Var(&p.targets, "url", "address to ask for, may contain {n} and begin with a method; repeat to alternate")
	flag.StringVar(&p.body, "body", "", "JSON body of requests other than GET")
	flag.IntVar(&p.connections, "connections", 1, "connections, each with one request at a time")
	flag.BoolVar(&p.traceField, "trace-header-field", false, "send the trace id in X-Test-Trace too")
	requests := flag.Int("requests", 0, "requests in total; 0: until the duration has passed or SIGTERM")
	duration := flag.Duration("duration", 0, "stop after this time; 0: no limit")
	rate := flag.Float64("rate", 0, "requests per second in total; 0: as fast as they are answered")
	asJSON := flag.Bool("json", false, "print the summary as JSON")
	flag.Parse()
	if len(p.targets) == 0 || p.connections < 1 {
		fmt.Fprintln(os.Stderr, "load: -url is needed, and at least one connection")
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	report(run(ctx, p, numbers(ctx, *requests, *rate)), *asJSON)
}

// numbers hands out 1, 2, 3, ... at the asked rate until the limit or the end of the context.
func numbers(ctx context.Context, limit int, rate float64) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		begin := time.Now()
		for n := 1; limit == 0 || n <= limit; n++ {
			if rate > 0 {
				due := begin.Add(time.Duration(float64(n-1) / rate * float64(time.Second)))
				select {
				case <-time.After(time.Until(due)):
				case <-ctx.Done():
					return
				}
			}
			select {
			case out <- n:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// run lets every connection work until there are no more numbers.
func run(ctx context.Context, p plan, numbers <-chan int) summary {
	result := summary{Statuses: map[string]int{}, TraceIDs: []string{}}
	var lock sync.Mutex
	var workers sync.WaitGroup
	begin := time.Now()
	for range make([]struct{}, p.connections) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			c := connection{plan: p}
			defer c.close()
			for n := range numbers {
				trace := newTrace()
				lock.Lock()
				if len(result.TraceIDs) < keptTraces {
					result.TraceIDs = append(result.TraceIDs, trace.id())
				}
				lock.Unlock()
				status := c.ask(n, trace)
				lock.Lock()
				result.Requests++
				result.Statuses[status]++
				lock.Unlock()
			}
		}()
	}
	workers.Wait()
	result.DurationSeconds = time.Since(begin).Seconds()
	return result
}

func report(result summary, asJSON bool) {
	if asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
			fmt.Fprintln(os.Stderr, "load:", err)
			os.Exit(1)
		}
		return
	}
	fmt.Printf("%d requests in %.2f s (%.0f/s), statuses %v\n", result.Requests, result.DurationSeconds,
		float64(result.Requests)/result.DurationSeconds, result.Statuses)
}
