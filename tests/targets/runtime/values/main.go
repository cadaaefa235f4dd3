// values says what its own runtime/metrics and ReadMemStats say, before and after it stood still.
//
// It does what each line of its standard input says and answers with one line:
//
//	load     begins to work for good, and answers "loaded"; then
//	note     notes its values and answers with them, at work or not
//	work N   allocates, starts goroutines, waits for locks and collects, N rounds of it; answers "done"
//	still    settles, notes its values and answers "still"; from then on it neither allocates nor runs
//	         until the next line, whatever that is; then it notes its values again and answers with both
//
// The values are noted into memory that was there before, and the answer is made afterwards: noting and
// waiting change nothing that is noted.
package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	sink  [256][]byte
	small [4096]*uint16
	held  = make(chan struct{})
)

// peeks are values that only some builds know.
var peeks = map[string]func() int64{}

// notes are the values at one moment.
type notes struct {
	samples []metrics.Sample
	memory  runtime.MemStats
	plain   map[string]int64
}

func newNotes() *notes {
	n := &notes{plain: map[string]int64{"goroutines": 0, "procs": 0, "cgo": 0, "threads": 0}}
	for name := range peeks {
		n.plain[name] = 0
	}
	for _, description := range metrics.All() {
		n.samples = append(n.samples, metrics.Sample{Name: description.Name})
	}
	return n
}

// first notes with the stop of the world that ReadMemStats makes before all else.
func (n *notes) first() {
	runtime.ReadMemStats(&n.memory)
	n.rest()
}

// last makes that stop after all else.
func (n *notes) last() {
	n.rest()
	runtime.ReadMemStats(&n.memory)
}

func (n *notes) rest() {
	metrics.Read(n.samples)
	n.plain["goroutines"] = int64(runtime.NumGoroutine())
	n.plain["procs"] = int64(runtime.GOMAXPROCS(0))
	n.plain["cgo"] = runtime.NumCgoCall()
	threads, _ := runtime.ThreadCreateProfile(nil)
	n.plain["threads"] = int64(threads)
	for name, peek := range peeks {
		n.plain[name] = peek()
	}
}

func (n *notes) answer() map[string]interface{} {
	values := map[string]interface{}{}
	for _, sample := range n.samples {
		switch sample.Value.Kind() {
		case metrics.KindUint64:
			values[sample.Name] = sample.Value.Uint64()
		case metrics.KindFloat64:
			values[sample.Name] = exact(sample.Value.Float64())
		case metrics.KindFloat64Histogram:
			values[sample.Name] = sample.Value.Float64Histogram().Counts
		}
	}
	for name, value := range n.plain {
		values["runtime."+name] = value
	}
	m := &n.memory
	memory := map[string]uint64{
		"Alloc": m.Alloc, "TotalAlloc": m.TotalAlloc, "Sys": m.Sys, "Mallocs": m.Mallocs,
		"Frees": m.Frees, "HeapAlloc": m.HeapAlloc, "HeapSys": m.HeapSys, "HeapIdle": m.HeapIdle,
		"HeapInuse": m.HeapInuse, "HeapReleased": m.HeapReleased, "HeapObjects": m.HeapObjects,
		"StackInuse": m.StackInuse, "StackSys": m.StackSys, "MSpanInuse": m.MSpanInuse,
		"MSpanSys": m.MSpanSys, "MCacheInuse": m.MCacheInuse, "MCacheSys": m.MCacheSys,
		"BuckHashSys": m.BuckHashSys, "GCSys": m.GCSys, "OtherSys": m.OtherSys, "NextGC": m.NextGC,
		"LastGC": m.LastGC, "PauseTotalNs": m.PauseTotalNs, "NumGC": uint64(m.NumGC),
		"NumForcedGC": uint64(m.NumForcedGC),
	}
	for name, value := range memory {
		values["MemStats."+name] = value
	}
	values["MemStats.GCCPUFraction"] = exact(m.GCCPUFraction)
	return values
}

// exact writes a number so that it is read as the same one: not every reader of JSON takes care of that.
func exact(number float64) string {
	return strconv.FormatFloat(number, 'g', -1, 64)
}

func main() {
	before, after := newNotes(), newNotes()
	line := make([]byte, 64)
	write("ready\n")
	for {
		n, err := syscall.Read(0, line)
		if err != nil || n == 0 {
			return
		}
		words := strings.Fields(string(line[:n]))
		switch words[0] {
		case "work":
			rounds, _ := strconv.Atoi(words[1])
			work(rounds)
			write("done\n")
		case "load":
			load()
			write("loaded\n")
		case "note":
			before.first()
			values, err := json.Marshal(before.answer())
			if err != nil {
				panic(err)
			}
			write(string(values) + "\n")
		case "still":
			settle()
			// Once for the memory that histograms take when they are read first.
			before.first()
			after.last()
			before.first()
			write("still\n")
			if n, err := syscall.Read(0, line); err != nil || n == 0 {
				return
			}
			after.last()
			both, err := json.Marshal([]interface{}{before.answer(), after.answer()})
			if err != nil {
				panic(err)
			}
			write(string(both) + "\n")
			debug.SetGCPercent(100)
		}
	}
}

// settle ends what goes on by itself: collections, the sweeper behind them, and the return of memory.
func settle() {
	debug.SetGCPercent(-1)
	runtime.GC()
	debug.FreeOSMemory()
	// There is a goal to compare, and nothing is allocated that could reach it.
	debug.SetGCPercent(150)
	for i := 0; i < 5; i++ {
		time.Sleep(2 * time.Millisecond)
		runtime.Gosched()
	}
}

func work(rounds int) {
	for round := 0; round < rounds; round++ {
		var all sync.WaitGroup
		var lock sync.Mutex
		lock.Lock()
		for i := 0; i < 100; i++ {
			all.Add(1)
			go func(i int) {
				defer all.Done()
				lock.Lock()
				defer lock.Unlock()
				sink[(round+i)%len(sink)] = make([]byte, 16<<(uint(i)%12))
				sum := make([]uint16, 1)
				small[(round*100+i)%len(small)] = &sum[0]
			}(i)
		}
		for i := 0; i < 3; i++ {
			go func() { <-held }()
		}
		time.Sleep(time.Millisecond)
		lock.Unlock()
		all.Wait()
		sink[round%len(sink)] = bytes.Repeat([]byte{1}, 100<<10)
		callC()
		if round%4 == 3 {
			runtime.GC()
		}
	}
}

func write(text string) {
	if _, err := syscall.Write(1, []byte(text)); err != nil {
		os.Exit(1)
	}
}
