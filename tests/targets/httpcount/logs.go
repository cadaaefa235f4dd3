package main

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"
)

// bufferBytes holds about 25 records, so that flushes by size happen and cut records in two.
const bufferBytes = 4096

// logOne writes one line straight to stdout.
func (s *server) logOne(w http.ResponseWriter, r *http.Request) {
	s.log.Info("line", "expect", expected(r))
	io.WriteString(w, "logged\n")
}

// logMany writes ?n= lines and lets other goroutines run in between.
func (s *server) logMany(w http.ResponseWriter, r *http.Request) {
	for line := range make([]struct{}, number(r, "n", 3)) {
		s.log.Info("line", "number", line, "expect", expected(r))
		time.Sleep(50 * time.Microsecond)
	}
	io.WriteString(w, "logged\n")
}

// logBuffered writes one line through the buffer all requests share. Every ?k=-th request flushes
// first: what it writes are the lines of others, with k=1 often exactly one.
func (s *server) logBuffered(w http.ResponseWriter, r *http.Request) {
	s.buffered.enter(number(r, "k", 1))
	s.buffered.log.Info("buffered", "expect", expected(r))
	io.WriteString(w, "logged\n")
}

// bufferedLog is a logger behind one bufio.Writer on stdout.
type bufferedLog struct {
	log     *slog.Logger
	lock    sync.Mutex
	out     *bufio.Writer
	entered int
}

func newBufferedLog() *bufferedLog {
	b := &bufferedLog{out: bufio.NewWriterSize(os.Stdout, bufferBytes)}
	b.log = slog.New(slog.NewTextHandler(b, nil))
	return b
}

// Write takes one record from slog.
func (b *bufferedLog) Write(record []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.out.Write(record)
}

// enter flushes before every k-th request.
func (b *bufferedLog) enter(k int) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.entered++
	if k > 0 && b.entered%k == 0 {
		if err := b.out.Flush(); err != nil {
			os.Stderr.WriteString("error: " + err.Error() + "\n")
		}
	}
}

// logDelayed writes one line through a writer that keeps each record until the next one comes: what
// reaches stdout is always one whole line of the request before.
func (s *server) logDelayed(w http.ResponseWriter, r *http.Request) {
	s.delayed.Info("delayed", "expect", expected(r))
	io.WriteString(w, "logged\n")
}

// delayedWriter passes on the record before the one it gets.
type delayedWriter struct {
	lock sync.Mutex
	kept []byte
}

// Write takes one record from slog.
func (d *delayedWriter) Write(record []byte) (int, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	if d.kept != nil {
		if _, err := os.Stdout.Write(d.kept); err != nil {
			return 0, err
		}
	}
	d.kept = bytes.Clone(record)
	return len(record), nil
}
