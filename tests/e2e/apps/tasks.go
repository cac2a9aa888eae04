// SPDX-License-Identifier: Apache-2.0

// An HTTP service in which a request's goroutine asks Redis with the request's mark, on connections
// that all share.
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

type connection struct {
	net.Conn
	in *bufio.Reader
}

var idle = make(chan *connection, 64)

func take() *connection {
	select {
	case c := <-idle:
		return c
	default:
		c, err := net.Dial("tcp", "127.0.0.1:"+os.Args[2])
		if err != nil {
			panic(err)
		}
		return &connection{c, bufio.NewReader(c)}
	}
}

func get(key string) {
	c := take()
	fmt.Fprintf(c, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", len(key), key)
	if _, err := c.in.ReadString('\n'); err != nil {
		panic(err)
	}
	idle <- c
}

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		mark := "ZID" + r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:] + "Z"
		for i := 0; i < 3; i++ {
			get("key:" + mark)
		}
		fmt.Fprint(w, mark)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
