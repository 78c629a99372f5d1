"""Each sentence of PEP 3333 that says what a server must do, and most that say what it should.

The name of a test is the sentence. What an application can see is checked by `applications/pep3333.wsgi`, which
answers `ok`. See https://peps.python.org/pep-3333/.
"""

import pytest
from harness import TRACEBACK
from harness.client import Truncated

TRACEBACK_LINES = (TRACEBACK, "WRS4001")


def ask(server, name, method="GET", headers=(), body=None):
    return server.request(method, f"/app/pep3333.wsgi/{name}", headers, body)


def holds(server, name, *arguments):
    """The check of that name has no complaint."""
    response = ask(server, name, *arguments)
    assert response.text == "ok"
    assert response.status == 200


def holds_while(server, rendezvous, name):
    """The first half of the answer comes before the application makes the second."""
    with server.connect() as connection:
        connection.request("GET", f"/app/pep3333.wsgi/{name}{rendezvous.query}").head()
        assert connection.chunk() == b"o"
        rendezvous.announce("seen")
        assert connection.chunk() == b"k"
        assert connection.chunk() == b""


class TestTheApplication:
    def test_can_be_called_more_than_once(self, server):
        first, second = (int(ask(server, "twice").body) for _ in range(2))
        assert second > first

    def test_start_response_is_called_with_positional_arguments(self, server):
        holds(server, "positional")

    def test_may_call_start_response_in_the_first_iteration(self, server):
        assert ask(server, "content_length").text == "ok"

    def test_returns_an_iterable_even_if_it_writes(self, server):
        assert ask(server, "written_before_the_iterable").text == "1234"


class TestEnviron:
    def test_must_be_a_builtin_dict_that_the_application_may_modify(self, server):
        holds(server, "environ_type")

    def test_must_contain_the_cgi_variables_that_are_always_required(self, server):
        holds(server, "cgi_variables")

    def test_cgi_variables_must_be_native_strings_of_latin_1(self, server):
        holds(server, "strings", "GET", [("X-Latin", "caf\u00e9"), ("Cookie", "a=\u00ff")])

    def test_must_contain_the_wsgi_variables(self, server):
        holds(server, "wsgi_variables")

    def test_server_defined_variables_are_lower_case_with_a_prefix_of_their_own(self, server):
        holds(server, "server_variables")

    def test_multithread_is_true_where_threads_serve_at_once(self, server):
        holds(server, "threads")


class TestStreams:
    def test_must_support_the_methods_of_the_table(self, server):
        holds(server, "stream_methods", "POST", (), b"body\ntwo\nthree")
        server.error_log.expect("] checked by an application", "two lines checked by an application")

    def test_input_ends_with_the_content_length_and_then_gives_empty_bytestrings(self, server):
        with server.connect() as connection:
            connection.request("POST", "/app/pep3333.wsgi/end_of_input", (), b"body")
            connection.request("POST", "/app/pep3333.wsgi/end_of_input", (), b"body")
            assert [connection.response().text for _ in range(2)] == ["ok", "ok"]

    def test_read_may_be_called_without_an_argument(self, server):
        holds(server, "read_without_size", "POST", (), b"body")

    def test_readline_supports_the_optional_size(self, server):
        holds(server, "readline_with_size", "POST", (), b"body\nrest")

    def test_an_inbound_transfer_encoding_must_be_decoded_by_the_server(self, server):
        with server.connect() as connection:
            connection.request("POST", "/app/pep3333.wsgi/hop_by_hop", [("Transfer-Encoding", "chunked")])
            connection.send(b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")
            assert connection.response().text == "ok"

    def test_expect_100_continue_must_be_supported_transparently(self, server):
        with server.connect() as connection:
            headers = [("Expect", "100-continue"), ("Content-Length", "4")]
            connection.request("POST", "/app/pep3333.wsgi/read_without_size", headers)
            assert connection.head().status == 100
            assert connection.send(b"body").response().text == "ok"


class TestStartResponse:
    def test_must_return_a_write_callable_that_takes_one_bytestring(self, server):
        holds(server, "write_callable")

    def test_the_status_must_not_have_control_characters_or_another_form(self, server):
        holds(server, "status_form")

    def test_the_headers_must_be_a_list_of_tuples(self, server):
        holds(server, "header_list")

    def test_header_names_must_be_valid_field_names(self, server):
        holds(server, "header_names")

    def test_header_values_must_not_have_line_ends(self, server):
        holds(server, "header_values")

    def test_errors_in_the_headers_are_found_when_start_response_is_called(self, server):
        holds(server, "header_values")

    def test_strings_beyond_latin_1_are_a_fatal_error(self, server):
        holds(server, "status_form")

    def test_headers_required_by_http_that_the_application_omits_must_be_added(self, server):
        response = ask(server, "length_is_relied_on")
        assert response.header("Date") and response.header("Server")
        assert response.header("Content-Length") or response.header("Transfer-Encoding")

    def test_must_not_transmit_the_headers_before_there_is_body_data(self, server, rendezvous):
        with server.connect() as connection:
            connection.request("GET", f"/app/pep3333.wsgi/headers_wait_for_the_body{rendezvous.query}")
            rendezvous.wait_for("first-empty")
            assert connection.is_silent()
            rendezvous.announce("seen")
            response = connection.response()
            assert (response.status, response.text) == (200, "ok")

    def test_a_change_of_the_header_list_after_the_call_is_the_servers_to_ignore(self, server):
        response = ask(server, "header_list_is_the_servers")
        assert (response.text, response.header("X-Late")) == ("ok", None)

    def test_exc_info_replaces_headers_that_were_not_sent(self, server):
        response = ask(server, "exc_info_replaces")
        assert (response.status, response.reason, response.text) == (500, "Mine", "ok")
        assert (response.header("X-First"), response.header("X-Second")) == (None, "2")

    def test_must_raise_the_exc_info_when_the_headers_were_sent_and_an_error_without_it(self, server):
        holds(server, "exc_info_raises")

    def test_holds_no_reference_to_exc_info_after_the_call(self, server):
        holds(server, "exc_info_is_not_kept")


    def test_must_be_called_before_the_first_bytestring(self, server):
        assert server.get("/app/faults.wsgi/no_start_response").status == 500
        server.error_log.expect("RuntimeError: .*start_response")
        server.error_log.allow(*TRACEBACK_LINES)


class TestTheResponse:
    def test_each_bytestring_must_be_transmitted_before_the_next_is_requested(self, server, rendezvous):
        holds_while(server, rendezvous, "one_block_at_a_time")

    def test_a_block_that_is_written_must_not_be_delayed(self, server, rendezvous):
        holds_while(server, rendezvous, "blocks_of_write")

    def test_what_is_written_must_be_sent_before_what_is_iterated(self, server):
        assert ask(server, "written_before_the_iterable").text == "1234"

    def test_bytestrings_are_binary_and_line_ends_are_not_altered(self, server):
        assert ask(server, "line_ends").body == b"\r\n\n\r\x00\xff" + bytes(range(256))

    def test_the_body_must_be_of_bytes(self, server):
        assert ask(server, "wide").status == 500
        server.error_log.expect("TypeError: an application must give bytes")
        server.error_log.allow(*TRACEBACK_LINES)

    def test_the_length_of_a_list_is_relied_on(self, server):
        response = ask(server, "length_is_relied_on")
        assert (response.text, response.header("Content-Length")) == ("ok", "2")

    def test_no_other_attribute_of_the_iterable_is_used(self, server):
        holds(server, "nothing_else_is_used")

    def test_no_more_is_transmitted_than_the_content_length_and_iteration_stops(self, server):
        with server.connect() as connection:
            for _ in range(2):
                response = connection.request("GET", "/app/pep3333.wsgi/content_length").response()
                assert response.text == "ok"

    def test_too_little_for_the_content_length_closes_the_connection_and_is_logged(self, server):
        with pytest.raises(Truncated):
            ask(server, "short")
        server.error_log.expect("WRS4007")


class TestClose:
    def test_must_be_called_when_the_request_is_done(self, server, rendezvous):
        assert ask(server, f"closed_when_done{rendezvous.query}").text == "ok"
        assert rendezvous.wait_for("closed") == ["closed-1"]

    def test_must_be_called_after_an_error_during_iteration(self, server, rendezvous):
        with pytest.raises(Truncated):
            ask(server, f"closed_after_an_error{rendezvous.query}")
        assert rendezvous.wait_for("closed") == ["closed-1"]
        server.error_log.expect("ValueError: in the iteration")
        server.error_log.allow(*TRACEBACK_LINES)

    def test_must_be_called_when_the_client_disconnects(self, server, rendezvous):
        with server.connect() as connection:
            connection.request("GET", f"/app/pep3333.wsgi/closed_when_the_client_goes{rendezvous.query}")
            connection.head()
        assert rendezvous.wait_for("closed") == ["closed-1"]


class TestFileWrapper:
    def test_must_take_a_file_and_an_optional_block_size_and_transmit_nothing_by_itself(self, server):
        holds(server, "file_wrapper")

    def test_must_return_an_iterable(self, server):
        holds(server, "file_wrapper_is_iterable")

    def test_must_have_a_close_that_calls_the_close_of_the_file(self, server):
        holds(server, "file_wrapper_closes")

    def test_begins_at_the_position_of_the_file_and_ends_with_the_content_length(self, server):
        assert ask(server, "file_from_its_position").text == "What"
