// Command gcload runs garbage collections when asked and tells the pause of each.
package main

import (
	"flag"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golens.test/targets/internal/target"
)

// garbage is one allocation; 256 of them are kept at a time.
const garbage = 64 * 1024

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on")
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		target.Fail(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(0)
	}()
	http.HandleFunc("/churn", churn)
	http.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) { target.WriteJSON(w, target.ReadMemory()) })
	http.HandleFunc("/pauses", func(w http.ResponseWriter, _ *http.Request) { target.WriteJSON(w, readPauses()) })
	http.HandleFunc("/collect", collect)
	http.HandleFunc("/wait", wait)
	target.Announce(listener.Addr())
	target.Fail(http.Serve(listener, nil))
}

// churn answers after ?cycles= more collections, every fourth of them forced, the others caused by
// allocation, at least ?gap= milliseconds apart.
func churn(w http.ResponseWriter, r *http.Request) {
	cycles, err := strconv.Atoi(r.URL.Query().Get("cycles"))
	if err != nil || cycles < 1 || cycles > 10_000 {
		http.Error(w, "cycles must be a number from 1 to 10000", http.StatusBadRequest)
		return
	}
	gap, err := strconv.Atoi(r.URL.Query().Get("gap"))
	if err != nil {
		gap = 0
	}
	first := collections()
	for done := uint32(0); done < uint32(cycles); done = collections() - first {
		if done%4 == 0 {
			runtime.GC()
		} else {
			allocate(collections())
		}
		time.Sleep(time.Duration(gap) * time.Millisecond)
	}
	target.WriteJSON(w, map[string]uint32{"first": first, "last": collections()})
}

// allocate makes garbage until a further collection has begun and ended.
func allocate(before uint32) {
	var kept [256][]byte
	for n := 0; collections() == before; n++ {
		for range make([]struct{}, 64) {
			n++
			kept[n%len(kept)] = make([]byte, garbage)
		}
	}
	runtime.KeepAlive(&kept)
}

// collections is the number of finished cycles.
func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumGC
}
