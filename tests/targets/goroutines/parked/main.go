// Command parked keeps goroutines in every state, leaks some, and dumps them as the runtime sees them.
//
// It has no goroutine of its own beside the main one, which answers one request after the other.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
)

// commands answers requests by path; the answer is their text.
var commands = map[string]func(url.Values) string{
	"/dump":    dump,
	"/park":    park,
	"/many":    many,
	"/leak":    leak,
	"/leakall": leakAll,
	"/busy":    busy,
	"/healthy": healthy,
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "listening %s pid %d\n", listener.Addr(), os.Getpid())
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		answer(connection)
	}
}

// answer reads one request, runs its command and closes the connection.
func answer(connection net.Conn) {
	defer connection.Close()
	input := bufio.NewReader(connection)
	line, err := input.ReadString('\n')
	if err != nil {
		return
	}
	for header := line; strings.TrimSpace(header) != ""; {
		if header, err = input.ReadString('\n'); err != nil {
			return
		}
	}
	status, body := "200 OK", ""
	target, err := url.ParseRequestURI(strings.Fields(line + " - -")[1])
	if err != nil || commands[target.Path] == nil {
		status = "404 Not Found"
	} else {
		body = commands[target.Path](target.Query())
	}
	fmt.Fprintf(connection, "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", status, len(body))
	io.WriteString(connection, body)
}

// dump is what the runtime says of all goroutines: ?debug=2 each with its state, 1 in groups.
func dump(query url.Values) string {
	var text strings.Builder
	pprof.Lookup("goroutine").WriteTo(&text, number(query, "debug"))
	return text.String()
}

func number(query url.Values, name string) int {
	value, err := strconv.Atoi(query.Get(name))
	if err != nil {
		return 0
	}
	return value
}
