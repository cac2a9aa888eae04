// SPDX-License-Identifier: Apache-2.0

// Asks BASE/leaf/N for COUNT numbers from FIRST on, by the standard library's client: a connection
// for each.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

func main() {
	first, _ := strconv.Atoi(os.Args[2])
	count, _ := strconv.Atoi(os.Args[3])
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for n := first; n < first+count; n++ {
		answer, err := client.Get(fmt.Sprintf("%s/leaf/%d", os.Args[1], n))
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || string(body) != fmt.Sprintf("\"ZID%dZ\"", n) {
			panic(string(body))
		}
		answer.Body.Close()
	}
}
