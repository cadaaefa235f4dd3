// Command listens opens and closes listening sockets, and calls others, when it is asked to.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golens.test/targets/internal/target"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on")
	flag.Parse()
	s := &server{open: map[string]net.Listener{}}
	address, err := s.listen(*listen)
	if err != nil {
		target.Fail(err)
	}
	target.Announce(address)
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, os.Interrupt, syscall.SIGTERM)
	<-stopped
}

type server struct {
	mu   sync.Mutex
	open map[string]net.Listener
}

// listen serves on one more address.
func (s *server) listen(address string) (net.Addr, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.open[listener.Addr().String()] = listener
	s.mu.Unlock()
	go http.Serve(listener, s.routes())
	return listener.Addr(), nil
}

func (s *server) routes() http.Handler {
	routes := http.NewServeMux()
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, text) }
	}
	routes.HandleFunc("/hello", say("hello"))
	routes.HandleFunc("/metrics", say("up 1"))
	routes.HandleFunc("/debug/pprof/", say("profiles"))
	routes.HandleFunc("/ask", ask)
	routes.HandleFunc("/listen", func(w http.ResponseWriter, r *http.Request) {
		address, err := s.listen(r.URL.Query().Get("address"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, address)
	})
	routes.HandleFunc("/close", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		listener, known := s.open[r.URL.Query().Get("address")]
		if !known {
			http.Error(w, "not open", http.StatusNotFound)
			return
		}
		fmt.Fprintln(w, listener.Close())
	})
	return routes
}
