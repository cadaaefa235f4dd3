package compat

import (
	"testing"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/sdk/testutil"

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
			anonymous, err := nodeName(api.TLSConfig{})
			if verify != (err != nil) {
				t.Errorf("without a certificate: %q, %v", anonymous, err)
			}
		})
	}
}
