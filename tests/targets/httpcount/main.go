// Command httpcount is a net/http server that knows exactly what it did: requests by route, log
// writes, garbage collections. It builds with every Go from 1.21 on and uses only the standard library.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golens.test/targets/internal/target"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on")
	background := flag.Duration("background", 0, "time between log lines outside any request; 0: none")
	immediate := flag.Int("immediate", 0, "requests to send to itself at once, before anything else")
	selfexec := flag.Int("selfexec", 0, "times that GET /exec lets the program execute itself again")
	flag.Parse()

	listener, err := open(*listen)
	if err != nil {
		target.Fail(err)
	}
	s := newServer(listener, *selfexec)
	serving := &http.Server{Handler: s.routes()}
	stopped, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- serving.Serve(listener) }()
	if err := ask(listener.Addr(), *immediate); err != nil {
		target.Fail(err)
	}
	target.Announce(listener.Addr())
	if *background > 0 {
		go s.background(stopped, *background)
	}
	select {
	case err := <-failed:
		target.Fail(err)
	case <-stopped.Done():
	}
	ctx, cancelDrain := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancelDrain()
	if err := serving.Shutdown(ctx); err != nil {
		target.Fail(err)
	}
}

// background logs lines that belong to no request, although requests run at the same time.
func (s *server) background(stopped context.Context, every time.Duration) {
	for tick := time.NewTicker(every); ; {
		select {
		case <-tick.C:
			s.log.Info("background", slog.Int("generation", s.generation))
		case <-stopped.Done():
			tick.Stop()
			return
		}
	}
}

// ask sends requests to the program itself, each on a connection of its own.
func ask(address net.Addr, requests int) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range make([]struct{}, requests) {
		response, err := client.Get("http://" + address.String() + "/hello")
		if err != nil {
			return err
		}
		response.Body.Close()
	}
	return nil
}
