// Package service holds what the three services share: flags, logging, start and stop.
package service

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// drain is how long open requests may take after SIGTERM.
const drain = 5 * time.Second

// Options are the flags every service has.
type Options struct {
	Listen   string
	Upstream string
	JSON     bool
}

// Parse reads the flags; `needsUpstream` makes -upstream required.
func Parse(needsUpstream bool) Options {
	var o Options
	flag.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address to serve on")
	flag.BoolVar(&o.JSON, "json", false, "log as JSON")
	if needsUpstream {
		flag.StringVar(&o.Upstream, "upstream", "", "host:port of the service asked")
	}
	flag.Parse()
	if needsUpstream && o.Upstream == "" {
		Fail(fmt.Errorf("-upstream is needed"))
	}
	return o
}

// LogTo makes slog write to stdout, as text or JSON.
func LogTo(json bool) {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if json {
		slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, options)))
		return
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stdout, options)))
}

// Listen opens the address and says on stderr which one it became.
func Listen(address string) net.Listener {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		Fail(err)
	}
	fmt.Fprintf(os.Stderr, "listening %s pid %d\n", listener.Addr(), os.Getpid())
	return listener
}

// Stopped ends with the first SIGTERM or interrupt.
func Stopped() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	return ctx
}

// ServeHTTP serves until SIGTERM, then lets open requests finish.
func ServeHTTP(address string, handler http.Handler) {
	server := &http.Server{Handler: handler}
	listener := Listen(address)
	stopped := Stopped()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		Fail(err)
	case <-stopped.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		Fail(err)
	}
}

// Fail ends the program.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}
