package compat

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"testing"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/sdk/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"

	"golens.test/targets/internal/authority"
)

func TestHTTPSAsksForACertificateOnlyWhereIncomingOnesAreVerified(t *testing.T) {
	t.Parallel()
	for name, verify := range map[string]bool{"verified": true, "not verified": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := authority.New(t)
			server, client := own.Sign(t, "agent"), own.Sign(t, "client")
			agent := start(t, func(config *testutil.TestServerConfig) {
				config.CAFile = own.File
				config.CertFile = server.Certificate
				config.KeyFile = server.Key
				config.VerifyIncomingHTTPS = verify
			})
			nodeName := func(tls api.TLSConfig) (string, error) {
				tls.CAFile = own.File
				config := &api.Config{Address: agent.HTTPSAddr, Scheme: "https", TLSConfig: tls}
				return connect(t, config).Agent().NodeName()
			}
			certified, err := nodeName(api.TLSConfig{
				CertFile: client.Certificate,
				KeyFile:  client.Key,
			})
			if err != nil || certified != agent.Config.NodeName {
				t.Errorf("with a certificate: %q, %v", certified, err)
			}
			if err := health(t, agent.Config.Ports.GRPCTLS, own, &client); err != nil {
				t.Errorf("gRPC with a certificate: %v", err)
			}
			if err := health(t, agent.Config.Ports.GRPCTLS, own, nil); verify != (err != nil) {
				t.Errorf("gRPC without a certificate: %v", err)
			}
			anonymous, err := nodeName(api.TLSConfig{})
			if verify != (err != nil) {
				t.Errorf("without a certificate: %q, %v", anonymous, err)
			}
		})
	}
}

// health asks gRPC's health service at a port, over encryption.
func health(t *testing.T, port int, trust *authority.Authority, shown *authority.Pair) error {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(must[[]byte](t)(os.ReadFile(trust.File)))
	if shown != nil {
		config.Certificates = []tls.Certificate{must[tls.Certificate](t)(tls.LoadX509KeyPair(shown.Certificate, shown.Key))}
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	connection := must[*grpc.ClientConn](t)(grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config))))
	defer connection.Close()
	_, err := grpc_health_v1.NewHealthClient(connection).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	return err
}
