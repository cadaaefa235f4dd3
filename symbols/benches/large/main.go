// Command large links several of the largest public Go modules into one program of well over 100 MB.
//
// It is built for the benchmark of symbols and never run there. Methods looked up by a name that only
// the command line knows keep the linker from leaving out methods: every operation of every client stays.
package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"google.golang.org/grpc"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
)

var roots = []any{
	&dynamodb.Client{},
	&ec2.Client{},
	&s3.Client{},
	&sqs.Client{},
	&kubernetes.Clientset{},
	informers.NewSharedInformerFactory,
	scheme.Scheme,
	&grpc.Server{},
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: large METHOD")
		os.Exit(2)
	}
	for _, root := range roots {
		if _, found := reflect.TypeOf(root).MethodByName(os.Args[1]); found {
			slog.Info("found", "type", reflect.TypeOf(root).String())
		}
	}
	server := http.Server{Addr: "127.0.0.1:0", Handler: grpc.NewServer()}
	slog.Error("stopped", "error", server.ListenAndServe())
}
