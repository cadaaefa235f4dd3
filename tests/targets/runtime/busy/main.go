// busy works on all processors for as long as each line of its input says, in milliseconds, and answers
// with how much it did: it starts goroutines, sends between them, allocates and collects.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	for lines.Scan() {
		var milliseconds int
		fmt.Sscan(lines.Text(), &milliseconds)
		fmt.Println(work(time.Duration(milliseconds) * time.Millisecond))
	}
}

func work(length time.Duration) uint64 {
	var rounds uint64
	var all sync.WaitGroup
	end := time.Now().Add(length)
	for i := 0; i < runtime.GOMAXPROCS(0); i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for time.Now().Before(end) {
				round()
				atomic.AddUint64(&rounds, 1)
			}
		}()
	}
	all.Wait()
	return rounds
}

func round() {
	results := make(chan []byte)
	for i := 0; i < 8; i++ {
		go func(size int) {
			block := make([]byte, size)
			for at := range block {
				block[at] = byte(at * size)
			}
			results <- block
		}(256 << uint(i))
	}
	for i := 0; i < 8; i++ {
		<-results
	}
}
