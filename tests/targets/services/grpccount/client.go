package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// summary counts answers by the number of their status code.
type summary struct {
	Calls    int            `json:"calls"`
	Codes    map[string]int `json:"codes"`
	TraceIDs []string       `json:"trace_ids"`
}

// count makes calls over one connection; nothing is retried.
func count(address string, calls, concurrency int, wanted []codes.Code) (summary, error) {
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		return summary{}, err
	}
	defer conn.Close()
	result := summary{Codes: map[string]int{}, TraceIDs: []string{}}
	work := make(chan codes.Code)
	var lock sync.Mutex
	var workers sync.WaitGroup
	for range concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for code := range work {
				trace, got := ask(conn, code)
				lock.Lock()
				result.Calls++
				result.Codes[fmt.Sprint(uint32(got))]++
				result.TraceIDs = append(result.TraceIDs, trace)
				lock.Unlock()
			}
		}()
	}
	for n := range calls {
		work <- wanted[n%len(wanted)]
	}
	close(work)
	workers.Wait()
	return result, nil
}

// ask makes one call in a trace of its own.
func ask(conn grpc.ClientConnInterface, code codes.Code) (string, codes.Code) {
	var ids [24]byte
	if _, err := rand.Read(ids[:]); err != nil {
		panic(err)
	}
	ids[0] |= 0x10
	ids[16] |= 0x10
	trace := hex.EncodeToString(ids[:16])
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx,
		"traceparent", "00-"+trace+"-"+hex.EncodeToString(ids[16:])+"-01", "x-test-trace", trace)
	err := conn.Invoke(ctx, method, wrapperspb.UInt32(uint32(code)), new(wrapperspb.UInt32Value))
	return trace, status.Code(err)
}
