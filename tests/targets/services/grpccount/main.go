// Command grpccount is a gRPC server that answers with the status code it is asked for, and with
// -call a client that counts the codes it got.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"golens.test/services/internal/service"
)

// method answers with the code in its message.
const method = "/count.Count/Answer"

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on")
	call := flag.String("call", "", "be a client of this host:port")
	calls := flag.Int("calls", 100, "client: calls in total")
	concurrency := flag.Int("concurrency", 1, "client: calls at the same time")
	wanted := flag.String("codes", "0", "client: numbers of the status codes asked for in turn")
	log := flag.Bool("log", false, "server: log one line per call")
	flag.Parse()
	if *call == "" {
		service.LogTo(false)
		serve(*listen, *log)
		return
	}
	result, err := count(*call, *calls, *concurrency, numbers(*wanted))
	if err != nil {
		service.Fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		service.Fail(err)
	}
}

func numbers(list string) []codes.Code {
	var out []codes.Code
	for _, word := range strings.Split(list, ",") {
		code, err := strconv.ParseUint(word, 10, 8)
		if err != nil {
			service.Fail(err)
		}
		out = append(out, codes.Code(code))
	}
	return out
}

func serve(listen string, log bool) {
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "count.Count",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Answer",
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				code := new(wrapperspb.UInt32Value)
				if err := decode(code); err != nil {
					return nil, err
				}
				return answer(ctx, codes.Code(code.GetValue()), log)
			},
		}},
	}, nil)
	listener := service.Listen(listen)
	stopped := service.Stopped()
	go func() {
		<-stopped.Done()
		server.Stop()
	}()
	if err := server.Serve(listener); err != nil {
		service.Fail(err)
	}
}

func answer(ctx context.Context, code codes.Code, log bool) (any, error) {
	if log {
		expect := strings.Join(metadata.ValueFromIncomingContext(ctx, "x-test-trace"), "")
		slog.Info("call", "code", uint32(code), "expect", expect)
	}
	if code != codes.OK {
		return nil, status.Error(code, "asked for")
	}
	return wrapperspb.UInt32(uint32(code)), nil
}
