package main

import (
	"runtime"
	"sync"
	"time"
)

// begun is when the program began; the clock of all measurements is monotonic from here.
var begun = time.Now()

func now() int64 { return int64(time.Since(begun)) }

// gone waits until no more than `count` goroutines are left. Those of this package end; the server has
// none that begin or end while it works on a request.
func gone(count int) {
	for runtime.NumGoroutine() > count {
		time.Sleep(50 * time.Microsecond)
	}
}

// sleepers starts goroutines one after another, each of which sleeps for `of` microseconds. A lifetime is
// at least what the goroutine measures itself and at most what is measured around it.
func sleepers(count, of int) truth {
	var known truth
	inside := make(chan int64, 1)
	for ; known.Goroutines < count; known.Goroutines++ {
		before, first := runtime.NumGoroutine(), now()
		go sleep(time.Duration(of)*time.Microsecond, inside)
		least := <-inside
		gone(before)
		known.LeastNs += least
		known.MostNs += now() - first
	}
	return known
}

func sleep(length time.Duration, inside chan<- int64) {
	begun := now()
	time.Sleep(length)
	inside <- now() - begun
}

// released lets parked goroutines go, one for each value.
var released = make(chan struct{})

// park starts goroutines that stay until they are released, and waits until all of them have run.
func park(count, _ int) truth {
	var running sync.WaitGroup
	running.Add(count)
	for i := 0; i < count; i++ {
		go parked(&running)
	}
	running.Wait()
	return truth{Goroutines: count}
}

func parked(running *sync.WaitGroup) {
	running.Done()
	<-released
}

// release ends parked goroutines and waits until they are gone.
func release(count, _ int) truth {
	before := runtime.NumGoroutine()
	for i := 0; i < count; i++ {
		released <- struct{}{}
	}
	gone(before - count)
	return truth{Goroutines: count}
}

// quick starts goroutines that end at once, as fast as it can, and waits until they are gone.
func quick(count, _ int) truth {
	before := runtime.NumGoroutine()
	for i := 0; i < count; i++ {
		go nothing()
	}
	gone(before)
	return truth{Goroutines: count}
}

//go:noinline
func nothing() {}

// deep starts goroutines that each use at least `of` KiB of their stack, and less than 4 KiB more.
func deep(count, of int) truth {
	before := runtime.NumGoroutine()
	for i := 0; i < count; i++ {
		go recurse(of)
	}
	gone(before)
	return truth{Goroutines: count}
}

// recurse uses one KiB and a little more for each level, so that 32 levels need a stack of 64 KiB.
//
//go:noinline
func recurse(levels int) byte {
	var kib [1024]byte
	kib[levels%len(kib)] = 1
	if levels > 0 {
		return kib[0] + recurse(levels-1)
	}
	return kib[0]
}
