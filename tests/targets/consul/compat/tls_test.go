package compat

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/consul/sdk/testutil"
)

// authority signs certificates for a test and keeps them as files.
type authority struct {
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	own := &authority{folder: t.TempDir(), key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, own.key.Public(), own.key))
	own.certificate = must[*x509.Certificate](t)(x509.ParseCertificate(der))
	own.write(t, "ca.pem", "CERTIFICATE", der)
	return own
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	return must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// sign makes name.pem and name-key.pem for 127.0.0.1.
func (a *authority) sign(t *testing.T, name string) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key))
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+"-key.pem", "PRIVATE KEY", must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key)))
}

func (a *authority) file(name string) string { return filepath.Join(a.folder, name) }

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(a.file(name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHTTPSAsksForACertificateOnlyWhereIncomingOnesAreVerified(t *testing.T) {
	t.Parallel()
	for name, verify := range map[string]bool{"verified": true, "not verified": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certificates := newAuthority(t)
			certificates.sign(t, "agent")
			certificates.sign(t, "client")
			agent := start(t, func(config *testutil.TestServerConfig) {
				config.CAFile = certificates.file("ca.pem")
				config.CertFile = certificates.file("agent.pem")
				config.KeyFile = certificates.file("agent-key.pem")
				config.VerifyIncomingHTTPS = verify
			})
			nodeName := func(tls api.TLSConfig) (string, error) {
				tls.CAFile = certificates.file("ca.pem")
				config := &api.Config{Address: agent.HTTPSAddr, Scheme: "https", TLSConfig: tls}
				return connect(t, config).Agent().NodeName()
			}
			certified, err := nodeName(api.TLSConfig{
				CertFile: certificates.file("client.pem"),
				KeyFile:  certificates.file("client-key.pem"),
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
