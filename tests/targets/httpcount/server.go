package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golens.test/targets/internal/target"
)

// server counts what it does.
type server struct {
	listener   *net.TCPListener
	generation int
	selfexec   int
	log        *slog.Logger
	buffered   *bufferedLog
	delayed    *slog.Logger
	logWrites  atomic.Int64

	lock     sync.Mutex
	requests map[string]int64
}

// stats is the truth that tests compare with.
type stats struct {
	Pid        int              `json:"pid"`
	Generation int              `json:"generation"`
	Requests   map[string]int64 `json:"requests"`
	// LogWrites leaves out those of the buffered logger.
	LogWrites int64         `json:"log_writes"`
	Memory    target.Memory `json:"memory"`
}

func newServer(listener *net.TCPListener, selfexec int) *server {
	generation, err := strconv.Atoi(os.Getenv(generationVariable))
	if err != nil {
		generation = 0
	}
	s := &server{
		listener:   listener,
		generation: generation,
		selfexec:   selfexec,
		buffered:   newBufferedLog(),
		delayed:    slog.New(slog.NewTextHandler(&delayedWriter{}, nil)),
		requests:   map[string]int64{},
	}
	s.log = slog.New(counting{slog.NewTextHandler(os.Stdout, nil), &s.logWrites})
	return s
}

// counting counts records; the text handler writes each with one call of os.(*File).Write.
type counting struct {
	slog.Handler
	writes *atomic.Int64
}

func (c counting) Handle(ctx context.Context, record slog.Record) error {
	c.writes.Add(1)
	return c.Handler.Handle(ctx, record)
}

// routes has patterns without a method, which Go 1.21 understands too.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range map[string]http.HandlerFunc{
		"/hello":    s.hello,
		"/size":     s.size,
		"/status":   s.status,
		"/log":      s.logOne,
		"/logs":     s.logMany,
		"/buffered": s.logBuffered,
		"/delayed":  s.logDelayed,
		"/deep":     s.deep,
		"/panic":    s.panic,
		"/hijack":   s.hijack,
		"/sleep":    s.sleep,
		"/gc":       s.collect,
		"/exec":     s.exec,
		"/stats":    s.stats,
	} {
		mux.HandleFunc(pattern, s.counted(pattern, handler))
	}
	return mux
}

func (s *server) counted(pattern string, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.lock.Lock()
		s.requests[pattern]++
		s.lock.Unlock()
		handler(w, r)
	}
}

func (s *server) stats(w http.ResponseWriter, _ *http.Request) {
	s.lock.Lock()
	requests := make(map[string]int64, len(s.requests))
	for pattern, count := range s.requests {
		requests[pattern] = count
	}
	s.lock.Unlock()
	target.WriteJSON(w, stats{os.Getpid(), s.generation, requests, s.logWrites.Load(), target.ReadMemory()})
}
