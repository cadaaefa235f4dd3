// Command spawn starts goroutines from known places when asked, and tells how many, for how long they
// ran, and how long those that were woken had to wait, each by its own clock.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
)

func main() {
	// No collection shrinks a stack or changes the size that stacks begin with.
	debug.SetGCPercent(-1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(0)
	}()
	http.HandleFunc("/sleepers", answer(sleepers))
	http.HandleFunc("/parked", answer(park))
	http.HandleFunc("/released", answer(release))
	http.HandleFunc("/deep", answer(deep))
	http.HandleFunc("/quick", answer(quick))
	http.HandleFunc("/wakeups", answer(wakeups))
	http.HandleFunc("/coroutines", answer(coroutines))
	fmt.Fprintf(os.Stderr, "listening %s pid %d\n", listener.Addr(), os.Getpid())
	fail(http.Serve(listener, nil))
}

// truth is what the program knows of the goroutines it was asked for.
type truth struct {
	Goroutines int   `json:"goroutines"`
	LeastNs    int64 `json:"least_ns"`
	MostNs     int64 `json:"most_ns"`
	// Sampled is how many of the longer waits are in the runtime's own histogram.
	Sampled uint64 `json:"sampled"`
}

// answer lets `work` do something ?count= times with the number ?of=.
func answer(work func(count, of int) truth) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		count, err := strconv.Atoi(r.URL.Query().Get("count"))
		if err != nil || count < 0 || count > 1000000 {
			http.Error(w, "count must be a number up to 1000000", http.StatusBadRequest)
			return
		}
		of, err := strconv.Atoi(r.URL.Query().Get("of"))
		if err != nil {
			of = 0
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(work(count, of)); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}
