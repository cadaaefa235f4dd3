package main

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"golens.test/targets/internal/target"
)

// met is what a request knows of the collections while it ran: finished cycles at its start and at its
// end, and the pauses in between.
type met struct {
	First   uint32 `json:"first"`
	Last    uint32 `json:"last"`
	PauseNs uint64 `json:"pause_ns"`
}

// watch runs body and tells what it met.
func watch(w http.ResponseWriter, body func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body()
	runtime.ReadMemStats(&after)
	target.WriteJSON(w, met{before.NumGC, after.NumGC, after.PauseTotalNs - before.PauseTotalNs})
}

// collect forces ?cycles= collections within the request.
func collect(w http.ResponseWriter, r *http.Request) {
	cycles, _ := strconv.Atoi(r.URL.Query().Get("cycles"))
	watch(w, func() {
		for n := 0; n < cycles; n++ {
			runtime.GC()
		}
	})
}

// wait answers after ?ms= milliseconds.
func wait(w http.ResponseWriter, r *http.Request) {
	milliseconds, _ := strconv.Atoi(r.URL.Query().Get("ms"))
	watch(w, func() { time.Sleep(time.Duration(milliseconds) * time.Millisecond) })
}
