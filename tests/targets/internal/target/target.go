// Package target holds what the test programs share: listening, and the truth they tell about
// themselves.
package target

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
)

// Memory is the runtime's own record of its garbage collections.
type Memory struct {
	NumGC        uint32      `json:"num_gc"`
	NumForcedGC  uint32      `json:"num_forced_gc"`
	PauseTotalNs uint64      `json:"pause_total_ns"`
	PauseNs      [256]uint64 `json:"pause_ns"`
	PauseEnd     [256]uint64 `json:"pause_end"`
	Goroutines   int         `json:"goroutines"`
}

// ReadMemory asks the runtime; it stops the world for a moment.
func ReadMemory() Memory {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return Memory{stats.NumGC, stats.NumForcedGC, stats.PauseTotalNs, stats.PauseNs, stats.PauseEnd, runtime.NumGoroutine()}
}

// Announce says on stderr where the program listens.
func Announce(address net.Addr) {
	fmt.Fprintf(os.Stderr, "listening %s pid %d\n", address, os.Getpid())
}

// WriteJSON answers a request with a document.
func WriteJSON(w http.ResponseWriter, document interface{}) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(document); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
}

// Fail ends the program.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}
