package main

import (
	"runtime"
	"sync"
	"time"
)

// load works from now on: it allocates, starts goroutines that wait for one another, collects, and changes
// the number of processors.
func load() {
	for seat := 0; seat < 3; seat++ {
		go churn(seat)
	}
	go func() {
		for procs := 1; ; procs = procs%4 + 1 {
			runtime.GOMAXPROCS(procs)
			time.Sleep(7 * time.Millisecond)
		}
	}()
	go func() {
		for {
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

// churn keeps what it allocates for a while.
func churn(seat int) {
	kept := make([][]byte, 64)
	for round := seat; ; round++ {
		var all sync.WaitGroup
		var lock sync.Mutex
		for one := 0; one < 20; one++ {
			all.Add(1)
			go func(one int) {
				defer all.Done()
				block := make([]byte, 8<<(uint(round+one)%13))
				lock.Lock()
				kept[(round+one)%len(kept)] = block
				lock.Unlock()
			}(one)
		}
		all.Wait()
		callC()
		time.Sleep(time.Millisecond)
	}
}
