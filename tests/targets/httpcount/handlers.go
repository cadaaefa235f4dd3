package main

import (
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func (s *server) hello(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, "hello\n")
}

// size answers with 1000 bytes plus one per generation, so that a span shows who served it, and logs
// the generation.
func (s *server) size(w http.ResponseWriter, r *http.Request) {
	s.log.Info("served", "generation", s.generation, "expect", expected(r))
	io.WriteString(w, strings.Repeat("x", 1000+s.generation))
}

// status answers with ?code=.
func (s *server) status(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(number(r, "code", http.StatusOK))
}

// deep makes the stack grow ?depth= frames of about 1 KiB, here and on a goroutine of its own, with
// one log line at each bottom. With ?close=1 the connection ends, so that the next request starts on
// a small stack.
func (s *server) deep(w http.ResponseWriter, r *http.Request) {
	depth := number(r, "depth", 64)
	if number(r, "close", 0) == 1 {
		w.Header().Set("Connection", "close")
	}
	expect := expected(r)
	sum := descend(depth, func() { s.log.Info("bottom", "depth", depth, "expect", expect) })
	beside := make(chan byte)
	go func() {
		beside <- descend(depth, func() { s.log.Info("bottom beside", "depth", depth) })
	}()
	sum += <-beside
	io.WriteString(w, strconv.Itoa(int(sum))+"\n")
}

//go:noinline
func descend(depth int, bottom func()) byte {
	var frame [1000]byte
	if depth == 0 {
		bottom()
		return 0
	}
	frame[depth%len(frame)] = byte(depth)
	below := descend(depth-1, bottom)
	return below + frame[depth%len(frame)] + frame[(depth+1)%len(frame)]
}

// panic lets net/http recover; net/http logs that with one write to stderr.
func (s *server) panic(http.ResponseWriter, *http.Request) {
	s.logWrites.Add(1)
	panic("asked for")
}

// hijack takes the connection over and answers by itself.
func (s *server) hijack(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nok\n")
}

// sleep takes ?ms= milliseconds.
func (s *server) sleep(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Duration(number(r, "ms", 10)) * time.Millisecond)
	io.WriteString(w, "awake\n")
}

func (s *server) collect(w http.ResponseWriter, _ *http.Request) {
	runtime.GC()
	io.WriteString(w, "collected\n")
}

// number is a query parameter.
func number(r *http.Request, name string, otherwise int) int {
	value, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return otherwise
	}
	return value
}

// expected is the trace id that the client says it sent, in a header golens does not read.
func expected(r *http.Request) string { return r.Header.Get("X-Test-Trace") }
