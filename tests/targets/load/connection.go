package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// patience is how long one request may take before it counts as an error.
const patience = 60 * time.Second

// connection is one keep-alive connection per host, used for one request at a time.
type connection struct {
	plan  plan
	conns map[string]*link
}

type link struct {
	conn   net.Conn
	reader *bufio.Reader
}

// ask sends one request and returns the status code as text, or "error".
func (c *connection) ask(n int, trace trace) string {
	kinds := len(c.plan.targets)
	t := c.plan.targets[(n-1)%kinds]
	status, err := c.exchange(t, (n-1)/kinds+1, trace)
	if err != nil {
		fmt.Fprintf(os.Stderr, "load: request %d: %v\n", n, err)
		c.drop(t.host)
		return "error"
	}
	return strconv.Itoa(status)
}

func (c *connection) exchange(t target, n int, trace trace) (int, error) {
	l, err := c.link(t.host)
	if err != nil {
		return 0, err
	}
	if err := l.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := l.conn.Write(c.request(t, n, trace)); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(l.reader, &http.Request{Method: t.method})
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, err
	}
	if response.Close {
		c.drop(t.host)
	}
	return response.StatusCode, nil
}

// request is the whole request as bytes, so that it leaves in one write.
func (c *connection) request(t target, n int, trace trace) []byte {
	var b strings.Builder
	path := strings.ReplaceAll(t.path, "{n}", strconv.Itoa(n))
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nTraceparent: %s\r\n", t.method, path, t.host, trace.parent())
	if c.plan.traceField {
		fmt.Fprintf(&b, "X-Test-Trace: %s\r\n", trace.id())
	}
	if t.method == http.MethodGet || t.method == http.MethodHead {
		b.WriteString("\r\n")
	} else {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(c.plan.body), c.plan.body)
	}
	return []byte(b.String())
}

func (c *connection) link(host string) (*link, error) {
	if l := c.conns[host]; l != nil {
		return l, nil
	}
	conn, err := net.DialTimeout("tcp", host, patience)
	if err != nil {
		return nil, err
	}
	if c.conns == nil {
		c.conns = map[string]*link{}
	}
	l := &link{conn, bufio.NewReader(conn)}
	c.conns[host] = l
	return l, nil
}

func (c *connection) drop(host string) {
	if l := c.conns[host]; l != nil {
		l.conn.Close()
		delete(c.conns, host)
	}
}

func (c *connection) close() {
	for host := range c.conns {
		c.drop(host)
	}
}
